from chassis.resilience.log_throttle import LogThrottle


def test_what_happens_all_the_time_is_told_seldom_and_counted() -> None:
    now = 100.0
    throttle = LogThrottle(seconds=1.0, clock=lambda: now)
    assert [throttle.count_if_due() for _ in range(4)] == [1, 0, 0, 0]
    now = 101.0
    assert throttle.count_if_due() == 4
    assert throttle.count_if_due() == 0
