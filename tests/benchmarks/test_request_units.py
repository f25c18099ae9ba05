"""Requests cost the units that AWS states for the sizes of their items."""

from typing import Any

import pytest

from benchmarks.request_units import RequestUnits, item_bytes


def item(size: int) -> dict[str, dict[str, Any]]:
    """Return an item of a size in bytes, its attribute's name included."""
    return {"e": {"S": "x" * (size - 1)}}


def read(request: dict[str, Any], reply: dict[str, Any]) -> float:
    units = RequestUnits()
    units._has_read(reply, {"parameters of the request": request})
    return units.read


def written(request: dict[str, Any]) -> float:
    units = RequestUnits()
    units._has_written({"parameters of the request": request})
    return units.write


def test_the_size_of_an_item_is_that_of_names_and_values() -> None:
    assert item_bytes({"näme": {"S": "ü"}}) == 5 + 2
    assert item_bytes({"n": {"N": "12345"}, "b": {"B": b"123"}}) == (1 + 4) + (1 + 3)


@pytest.mark.parametrize(
    ("sizes", "consistent", "units"),
    [
        ([], True, 1),
        ([4_096], True, 1),
        ([4_097], True, 2),
        ([2_000, 2_000], True, 1),
        ([4_000, 4_000], True, 2),
        ([4_097], False, 1),
        ([10], False, 0.5),
    ],
)
def test_a_query_costs_a_unit_for_each_4_kb_of_all_items(
    sizes: list[int], *, consistent: bool, units: float
) -> None:
    reply = {"Items": [item(size) for size in sizes]}
    assert read({"ConsistentRead": consistent}, reply) == units


def test_a_written_item_costs_a_unit_for_each_kb_and_twice_that_in_a_transaction() -> None:
    assert written({"Item": item(1_024)}) == 1
    assert written({"Item": item(1_025)}) == 2
    check: dict[str, Any] = {"ConditionCheck": {}}
    assert written({"TransactItems": [{"Put": {"Item": item(1_025)}}, check]}) == 4 + 2
    puts = [{"PutRequest": {"Item": item(10)}}] * 3
    assert written({"RequestItems": {"table": puts}}) == 3
