import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paired import Ratios, turns

speeds = st.lists(st.floats(0.25, 4.0), min_size=1, max_size=15)


def test_each_second_round_reverses_the_order_of_the_turns() -> None:
    orders = [turns(["one", "two", "three"], number) for number in range(3)]

    assert orders == [["one", "two", "three"], ["three", "two", "one"], ["one", "two", "three"]]


@given(speeds=speeds, true=st.floats(0.1, 10.0))
def test_a_machine_that_changes_its_speed_between_rounds_does_not_change_the_ratio(
    speeds: list[float], true: float
) -> None:
    ratios = Ratios.of([true / speed for speed in speeds], [1 / speed for speed in speeds])

    assert (ratios.median, *ratios.quartiles) == pytest.approx((true, true, true))


@given(rounds=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=15))
def test_the_median_is_that_of_the_rounds_and_lies_between_the_quartiles(
    rounds: list[float],
) -> None:
    ratios = Ratios.of(rounds, [1.0] * len(rounds))
    low, high = ratios.quartiles

    assert ratios.median == statistics.median(rounds)
    assert min(rounds) <= low <= ratios.median <= high <= max(rounds)


def test_one_disturbed_round_does_not_change_the_median() -> None:
    ratios = Ratios.of([9.0, 10.0, 11.0, 500.0, 10.0], [10.0] * 5)

    assert str(ratios) == "1.00 (half of the rounds 1.00 to 1.10, all 0.90 to 50.00)"


def test_things_with_different_numbers_of_rounds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Ratios.of([1.0, 2.0], [1.0])
