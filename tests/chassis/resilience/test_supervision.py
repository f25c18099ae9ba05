"""Background tasks outlive outages and bugs, which are logged once and visible."""

import asyncio

import pytest
from botocore.exceptions import ClientError
from redis.exceptions import OutOfMemoryError
from structlog.testing import capture_logs

from chassis.bus.schedule import Schedule
from chassis.log.event_store import UnknownEvent
from chassis.resilience import supervision
from chassis.resilience.outages import Outages
from chassis.resilience.supervision import attempt, supervise

ERRORS = [
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    ClientError({"Error": {"Code": "AccessDeniedException"}}, "Scan"),
    UnknownEvent("member-a: Knighted v1 is not known"),
    KeyError("t"),
]


class Flaky:
    """Work that fails with each of these errors once, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.done = 0

    async def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.done += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "pause_seconds", lambda _attempt: 0.0)


@pytest.mark.parametrize("error", ERRORS)
async def test_a_failing_job_does_not_keep_the_others_from_running(error: Exception) -> None:
    failing, other = Flaky(error, error, error), Flaky()
    outages = Outages()
    schedule = Schedule(jobs=(failing, other), tick_seconds=1, outages=outages)
    with capture_logs() as logs:
        for _ in range(3):
            await schedule.tick()
        assert other.done == 3
        assert len(outages.reasons) == 1
        await schedule.tick()
    assert (failing.done, other.done, outages.reasons) == (1, 4, {})
    assert len(logs) == 2  # the start and the end


@pytest.mark.parametrize("error", ERRORS)
async def test_a_task_is_restarted_after_any_error(error: Exception) -> None:
    outages = Outages()
    work = Flaky(*[error] * 5)
    with capture_logs() as logs:
        await supervise("worker", work, outages=outages)
    assert work.done == 1
    assert outages.reasons == {}
    assert [line["event"] for line in logs] in (
        ["outage_started", "outage_ended"],
        ["task_failed", "task_recovered"],
    )


async def test_a_task_that_runs_again_counts_as_recovered() -> None:
    outages = Outages()
    recovered = asyncio.Event()
    failed = False

    async def work() -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise KeyError("a bug")
        await recovered.wait()

    task = asyncio.create_task(supervise("worker", work, outages=outages, stable_seconds=0.01))
    while not outages.totals or outages.current:  # noqa: ASYNC110  another task changes it
        await asyncio.sleep(0.001)
    recovered.set()
    await task


async def test_a_cancelled_task_is_not_restarted() -> None:
    outages = Outages()
    task = asyncio.create_task(supervise("worker", asyncio.Event().wait, outages=outages))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert outages.totals == {}


async def test_a_round_reports_whether_it_succeeded() -> None:
    outages = Outages()
    work = Flaky(KeyError("a bug"))
    assert not await attempt("look", work, outages=outages)
    assert list(outages.reasons) == ["task look"]
    assert await attempt("look", work, outages=outages)
    assert outages.reasons == {}
