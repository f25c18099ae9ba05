"""An outage is logged at its start and at its end, however many operations it interrupts."""

from botocore.exceptions import ClientError
from redis.exceptions import ReadOnlyError, ResponseError
from structlog.testing import capture_logs

from chassis.resilience.outages import Outages


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


OOM = ResponseError("OOM command not allowed when used memory > 'maxmemory'.")
DENIED = ClientError({"Error": {"Code": "AccessDeniedException"}}, "Query")


def test_an_outage_is_logged_once_at_its_start_and_once_at_its_end() -> None:
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as logs:
        for _ in range(3):
            for operation in ("one", "two"):
                outages.failed(operation, OOM)
        clock.now = 20.0
        assert outages.reasons == {
            "redis": "OOM command not allowed when used memory > 'maxmemory'."
        }
        assert outages.seconds() == {"redis": 20.0}
        outages.succeeded("one")
        outages.succeeded("two")
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("outage_started", "warning"),
        ("outage_ended", "info"),
    ]
    assert logs[1]["seconds"] == 20.0
    assert (outages.reasons, outages.totals, outages.seconds()) == (
        {},
        {"redis": 1},
        {"redis": 20.0},
    )


def test_an_outage_that_an_operator_has_to_end_is_logged_as_an_error() -> None:
    with capture_logs() as logs:
        Outages().failed("one", DENIED)
    assert [(line["log_level"], line["name"]) for line in logs] == [("error", "dynamodb")]


def test_another_refusal_of_the_same_dependency_is_another_outage() -> None:
    outages = Outages()
    with capture_logs() as logs:
        outages.failed("one", OOM)
        outages.failed("one", ReadOnlyError("You can't write against a read only replica."))
        outages.succeeded("one")
    assert [(line["event"], line["code"]) for line in logs] == [
        ("outage_started", "OOM"),
        ("outage_ended", "OOM"),
        ("outage_started", "READONLY"),
        ("outage_ended", "READONLY"),
    ]


def test_an_abandoned_operation_does_not_claim_that_the_outage_has_ended() -> None:
    outages = Outages()
    with capture_logs() as logs:
        outages.failed("one", OOM)
        outages.abandoned("one")
    assert [line["event"] for line in logs] == ["outage_started"]
    assert outages.current == []


def test_a_task_that_fails_by_its_own_error_is_listed_with_a_traceback() -> None:
    outages = Outages()
    with capture_logs() as logs:
        for _ in range(2):
            outages.failed("schedule", KeyError("a bug"), task="schedule")
    assert outages.reasons == {"task schedule": "KeyError 'a bug'"}
    assert [(line["log_level"], repr(line["exc_info"])) for line in logs] == [
        ("error", "KeyError('a bug')")
    ]
