import pytest

from token_bucket import Limit, LimitTable, Scope


@pytest.fixture
def table() -> LimitTable:
    return LimitTable.of(Limit("reads", 120, 60, Scope.USER))


def test_an_override_changes_a_limit_until_it_is_removed(table: LimitTable) -> None:
    assert table.apply_overrides({"reads": "240/60;shadow"}) == []
    reads = table["reads"]
    assert (reads.quantity, reads.window, reads.shadow) == (240, 60, True)
    assert table.apply_overrides({}) == []
    assert table["reads"].quantity == 120


@pytest.mark.parametrize(
    "override", [{"reads": "fast"}, {"reads": "0/60"}, {"reads": "1/0"}, {"cats": "1/1"}]
)
def test_an_invalid_override_changes_nothing(override: dict[str, str], table: LimitTable) -> None:
    assert len(table.apply_overrides(override)) == 1
    assert table["reads"].quantity == 120
    assert table.version == 0
