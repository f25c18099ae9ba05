"""Repeated log lines are throttled, and occurrences are counted."""

from chassis.resilience.log_throttle import LogThrottle


def test_one_line_per_interval_reports_all_occurrences_since_the_last_one() -> None:
    now = 100.0
    throttle = LogThrottle(seconds=1.0, clock=lambda: now)
    assert [throttle.count_if_due() for _ in range(4)] == [1, 0, 0, 0]
    now = 101.0
    assert throttle.count_if_due() == 4
    assert throttle.count_if_due() == 0
