"""In the course of time, seats expire, delays end, and days are closed once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.bus.schedule import Schedule
from chassis.log.event_store import UnknownEvent
from chassis.log.histories import Histories
from chassis.resilience.outages import Outages
from chassis.views.boards import Boards
from chassis.views.inspection import Inspection
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.points import CLOSED_DAYS
from contracts.referrals import ACCOUNTS, DUE_REFERRALS, DayClosed, ReserveReferral, SettleReferrals
from referrals.app import due_commands
from referrals.closing import DayCloser
from referrals.tally import tally_boards
from referrals.views.due import DUE_BOARD
from tests.referrals.service import ReferralsService, referrals_service

pytestmark = pytest.mark.stack

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86_400


@pytest.fixture
async def service(redis: Any) -> AsyncIterator[ReferralsService]:
    async with referrals_service(redis, MONDAY) as service:
        yield service


def closer(service: ReferralsService) -> DayCloser:
    return DayCloser(service.store, service.handler, service.models)


async def closed(service: ReferralsService, key: str) -> DayClosed | None:
    text = await service.models.entry(CLOSED_DAYS, key)
    return None if text is None else DayClosed.model_validate_json(text)


async def test_streams_with_due_referrals_are_sent_a_command(service: ReferralsService) -> None:
    service.at = time.time() - 3_600
    code = await service.open("alice")
    command = ReserveReferral(member_id="alice", code=code, invited_user="bob@example.org")
    await service.do(command)
    due = Boards(service.models, DUE_REFERRALS)
    assert await due_commands(service.application, service.models).send() == 1
    (sent,) = service.sent
    assert (sent.queue, sent.body["memberId"]) == ("test-referrals-commands.fifo", "alice")
    service.at = time.time()
    await service.do(SettleReferrals(member_id="alice"))
    assert await due.lowest(DUE_BOARD, max_score=time.time() * 2, limit=9) == []
    entry = await service.models.document(ACCOUNTS, "member-alice")
    assert entry is not None
    assert b'"referralsRemaining":10' in entry.body


async def test_an_unreadable_log_closes_no_day_and_the_schedule_continues() -> None:
    """An event of a later version: days stay open until a version runs that knows it."""

    calls = 0

    async def unreadable() -> None:
        nonlocal calls
        calls += 1
        raise UnknownEvent("member-a: Knighted v1 is not known to this version of the service")

    outages = Outages()
    schedule = Schedule(jobs=(unreadable,), tick_seconds=1, outages=outages)
    with capture_logs() as logs:
        await schedule.tick()
        await schedule.tick()
    assert calls == 2
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["task_failed"]
    (reason,) = outages.reasons.values()
    assert "Knighted v1 is not known" in reason


async def test_an_unreadable_stream_postpones_the_close_for_an_hour_and_no_longer(
    service: ReferralsService,
) -> None:
    await service.open("alice")
    await service.open("carol")
    commits = service.store.streams["member-carol"]
    commits[0] = replace(commits[0], data=b'{"no": "list"}')
    midnight = MONDAY + DAY / 2
    with pytest.raises(UnknownEvent, match="member-carol"):
        await closer(service).close(now=midnight + 1_800)
    assert await closed(service, "all.2026-11-23") is None
    with capture_logs() as logs:
        assert await closer(service).close(now=midnight + 3_601) == 1
    stored = await closed(service, "all.2026-11-23")
    assert stored is not None
    assert [place.member_id for place in stored.first] == ["alice"]
    assert "days_closed_with_unreadable_streams" in [line["event"] for line in logs]


async def test_a_day_is_closed_once_however_many_instances_run(service: ReferralsService) -> None:
    code = await service.open("alice")
    await service.open("carol")
    await service.refer("alice", code, "bob")
    service.at = MONDAY + DAY
    await service.refer("alice", code, "dora")
    instances = [closer(service) for _ in range(4)]
    await asyncio.gather(*(each.close(now=MONDAY + DAY) for each in instances))
    await asyncio.gather(*(each.close(now=MONDAY + DAY) for each in instances))
    streams = [name for name in service.store.streams if name.startswith("board-")]
    assert sorted(streams) == ["board-2026-11.2026-11-23", "board-all.2026-11-23"]
    assert all(len(service.store.streams[name]) == 1 for name in streams)
    stored = await closed(service, "all.2026-11-23")
    assert stored is not None
    assert [(level.points, level.members) for level in stored.levels] == [(100, 1), (0, 1)]
    assert [place.member_id for place in stored.first] == ["alice", "carol"]
    month = await closed(service, "2026-11.2026-11-23")
    assert month is not None
    assert [(level.points, level.members) for level in month.levels] == [(100, 1)]


async def test_a_service_that_was_down_closes_the_days_it_missed(service: ReferralsService) -> None:
    code = await service.open("alice")
    for day in range(3):
        service.at = MONDAY + day * DAY
        await service.refer("alice", code, f"p{day}")
    assert await closer(service).close(now=MONDAY + 3 * DAY) == 3
    points = []
    for day in range(3):
        stored = await closed(service, f"all.2026-11-{23 + day}")
        assert stored is not None
        points.append(stored.levels[0].points)
    assert points == [100, 200, 300]


async def test_a_day_is_counted_from_the_close_of_the_day_before(
    service: ReferralsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = await service.open("alice")
    await closer(service).close(now=MONDAY + DAY)
    service.at = MONDAY + DAY
    await service.refer("alice", code, "bob")
    with monkeypatch.context() as patched:
        patched.setattr(type(service.store), "scan", _no_scan)
        assert await closer(service).close(now=MONDAY + 2 * DAY) == 1
    stored = await closed(service, "all.2026-11-24")
    assert stored is not None
    assert [(level.points, level.members) for level in stored.levels] == [(100, 1)]


def _no_scan(*_: object, **__: object) -> None:
    raise AssertionError("the complete log was scanned")


async def test_closes_survive_a_rebuild(service: ReferralsService) -> None:
    code = await service.open("alice")
    await service.refer("alice", code, "bob")
    await closer(service).close(now=MONDAY + DAY)
    before = await closed(service, "all.2026-11-23")
    await service.redis.flushdb()
    await ReadModelWatcher(service.projector).rebuild_needed()
    assert before is not None
    assert await closed(service, "all.2026-11-23") == before
    inspection = Inspection(service.projector)
    for name, generation in (await inspection.served()).items():
        assert (await inspection.verify(name, generation)).matches, name


async def test_a_close_that_was_stored_and_not_projected_is_projected(
    service: ReferralsService,
) -> None:
    code = await service.open("alice")
    await service.refer("alice", code, "bob")
    await closer(service).close(now=MONDAY + DAY)
    entries = await service.models.shared_key(CLOSED_DAYS)
    await service.redis.delete(entries, entries.replace(":entries", ":versions"))
    assert await closer(service).close(now=MONDAY + DAY) == 1
    assert await closed(service, "all.2026-11-23") is not None
    assert len(service.store.streams["board-all.2026-11-23"]) == 1


async def test_a_stored_close_before_another_one_is_projected(service: ReferralsService) -> None:
    await service.open("alice")
    await closer(service).close(now=MONDAY + 2 * DAY)
    entries = await service.models.shared_key(CLOSED_DAYS)
    for key in (entries, entries.replace(":entries", ":versions")):
        await service.redis.hdel(key, "all.2026-11-23", "board-all.2026-11-23")
    assert await closed(service, "all.2026-11-23") is None
    assert await closer(service).close(now=MONDAY + 2 * DAY) == 0
    assert await closed(service, "all.2026-11-23") is not None


async def test_today_is_not_closed(service: ReferralsService) -> None:
    await service.open("alice")
    assert await closer(service).close(now=MONDAY) == 0


async def test_a_tally_counts_only_events_before_the_end_of_its_day(
    service: ReferralsService,
) -> None:
    code = await service.open("alice")
    service.at = MONDAY + DAY
    await service.refer("alice", code, "bob")
    tallies = await tally_boards(Histories(service.store), [date(2026, 11, 22), date(2026, 11, 23)])
    assert set(tallies) == {("all", date(2026, 11, 23))}
    assert tallies["all", date(2026, 11, 23)].levels == {0: 1}
