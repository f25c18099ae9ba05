"""Counting a day from the last close gives what counting the complete log gives, or is not done."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.log.event_store import Origin
from chassis.log.histories import Histories
from chassis.log.memory import MemoryEventStore
from contracts.referrals import (
    AccountEvent,
    AccountOpened,
    CloseDay,
    CreditWithdrawn,
    DayClosed,
    ReferralEvent,
    ReferredCredited,
)
from contracts.streams import MEMBERS
from referrals import tally, tally_changes
from referrals.app import REFERRALS
from referrals.projections import LEADERBOARD_VERSION
from referrals.tally import Tallies, tally_boards

MONDAY = date(2026, 11, 23)
HOUR = 3_600
MEMBERS_COUNT = 9

Log = MemoryEventStore[ReferralEvent]


class Step(NamedTuple):
    """One event of a member, at a second of a day."""

    member: int
    kind: str
    second: int


steps = st.builds(
    Step,
    st.integers(0, MEMBERS_COUNT - 1),
    st.sampled_from(["opens", "earns", "earns", "loses"]),
    st.integers(0, 86_399),
)


@pytest.fixture(autouse=True)
def _small_boards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three places be the top, and any share of the members change."""
    monkeypatch.setattr(tally, "TOP_PLACES", 3)
    monkeypatch.setattr(tally_changes, "MAX_CHANGED_SHARE", 1.0)


def _log() -> Log:
    return MemoryEventStore(REFERRALS.codec)


def _start_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


async def _append(log: Log, stream: str, event: ReferralEvent, at: int) -> None:
    origin = Origin(str(uuid.uuid4()), "body", "correlation", at * 1_000)
    await log.append(await log.head(stream), [event], origin)


async def _happen(log: Log, day: date, step: Step) -> None:
    at = _start_of(day) + step.second
    await _append(log, MEMBERS.stream(f"m{step.member}"), _event(step, at), at)


def _event(step: Step, at: int) -> AccountEvent:
    member = f"m{step.member}"
    match step.kind:
        case "opens":
            return AccountOpened(
                member_id=member, email=f"{member}@example.com", total_referrals=10, opened_at=at
            )
        case "earns":
            return ReferredCredited(member_id=member, referrer_id="x", use_id="u", credited_at=at)
        case _:
            return CreditWithdrawn(member_id=member, use_id="u", credited_at=at, withdrawn_at=at)


async def _close(log: Log, day: date, counted_by: int = LEADERBOARD_VERSION) -> None:
    """Store the closes of a day as the service does."""
    for command in _commands(await tally_boards(Histories(log), [day]), counted_by):
        event = DayClosed(
            board=command.board,
            day=command.day,
            members=sum(level.members for level in command.levels),
            levels=command.levels,
            first=command.first,
            counted_by=command.counted_by,
            closed_at=_start_of(day) + 86_400 + HOUR,
        )
        await _append(log, command.stream, event, event.closed_at)


def _commands(tallies: Tallies, counted_by: int = LEADERBOARD_VERSION) -> list[CloseDay]:
    return [each.command(*key, counted_by) for key, each in sorted(tallies.items())]


async def _happened(log: Log, day: date, happening: Sequence[Step]) -> None:
    for step in sorted(happening, key=lambda step: step.second):
        await _happen(log, day, step)


def _opened(*members: int, second: int = 0) -> list[Step]:
    return [Step(member, "opens", second + member) for member in members]


@given(
    past=st.lists(steps, max_size=40),
    days=st.lists(st.lists(steps, max_size=10), min_size=1, max_size=3),
    after=st.lists(steps, max_size=5),
)
async def test_days_are_counted_as_from_the_complete_log(
    past: list[Step], days: list[list[Step]], after: list[Step]
) -> None:
    log = _log()
    await _happened(log, MONDAY, [*_opened(0, 1, 2, 3), *past])
    await _close(log, MONDAY)
    counted = [MONDAY + timedelta(days=number + 1) for number in range(len(days))]
    for day, happening in zip(counted, days, strict=True):
        await _happened(log, day, happening)
    await _happened(log, counted[-1] + timedelta(days=1), after)
    tallies = await tally_changes.tally_changes(log, counted)
    if tallies is not None:
        assert _commands(tallies) == _commands(await tally_boards(Histories(log), counted))


async def _a_closed_monday(*, counted_by: int = LEADERBOARD_VERSION) -> Log:
    """Return a log with six members on Monday's board: m0 has 30 points, m1 and m2 20, m3 10."""
    log = _log()
    await _happened(log, MONDAY, _opened(*range(6)))
    for member, times in ((0, 3), (1, 2), (2, 2), (3, 1)):
        await _happened(log, MONDAY, [Step(member, "earns", HOUR + n) for n in range(times)])
    await _close(log, MONDAY, counted_by)
    return log


async def _counted(log: Log, *happening: Step, day: date = MONDAY + timedelta(days=1)) -> bool:
    """Let steps happen on a day; return whether it is counted from the last close, and check it."""
    await _happened(log, day, happening)
    tallies = await tally_changes.tally_changes(log, [day])
    if tallies is not None:
        assert _commands(tallies) == _commands(await tally_boards(Histories(log), [day]))
    return tallies is not None


async def test_only_streams_that_changed_and_the_top_places_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, loaded = await _a_closed_monday(), list[str]()
    load = log.load

    async def recorded(stream: str, *, after: int = 0) -> object:
        loaded.append(stream)
        return await load(stream, after=after)

    monkeypatch.setattr(
        MemoryEventStore, "load", lambda _, stream, **more: recorded(stream, **more)
    )
    await _happened(log, MONDAY + timedelta(days=1), [Step(4, "earns", 1), Step(7, "opens", 2)])
    assert await tally_changes.tally_changes(log, [MONDAY + timedelta(days=1)]) is not None
    members = {stream for stream in loaded if stream in MEMBERS}
    assert members == {f"member-m{number}" for number in (0, 1, 2, 4, 7)}


async def test_a_member_who_overtakes_the_top_is_counted() -> None:
    assert await _counted(await _a_closed_monday(), *(Step(5, "earns", n) for n in range(4)))


async def test_a_day_without_changes_is_counted() -> None:
    assert await _counted(await _a_closed_monday())


async def test_a_member_who_leaves_the_top_requires_the_complete_log() -> None:
    assert not await _counted(await _a_closed_monday(), Step(2, "loses", 1), Step(2, "loses", 2))


async def test_a_close_by_another_fold_requires_the_complete_log() -> None:
    log = await _a_closed_monday(counted_by=LEADERBOARD_VERSION - 1)
    assert not await _counted(log, Step(4, "earns", 1))


async def test_a_close_that_could_not_read_every_stream_requires_the_complete_log() -> None:
    assert not await _counted(await _a_closed_monday(counted_by=0), Step(4, "earns", 1))


async def test_a_day_after_one_that_was_not_closed_requires_the_complete_log() -> None:
    assert not await _counted(await _a_closed_monday(), day=MONDAY + timedelta(days=2))


async def test_the_first_day_of_a_month_requires_the_complete_log() -> None:
    log = await _a_closed_monday()
    await _close(log, date(2026, 11, 30))
    assert not await _counted(log, day=date(2026, 12, 1))


async def test_a_stream_that_cannot_be_read_requires_the_complete_log() -> None:
    log = await _a_closed_monday()
    await _happen(log, MONDAY + timedelta(days=1), Step(4, "earns", 1))
    commits = log.streams[MEMBERS.stream("m4")]
    commits[-1] = replace(commits[-1], data=b'{"no": "list"}')
    assert await tally_changes.tally_changes(log, [MONDAY + timedelta(days=1)]) is None


async def test_many_changes_require_the_complete_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = await _a_closed_monday()
    monkeypatch.setattr(tally_changes, "MAX_CHANGED_SHARE", 0.5)
    monkeypatch.setattr(tally_changes, "TOP_PLACES", 3)
    assert await _counted(log, *(Step(number, "earns", number) for number in range(3)))
    assert not await _counted(log, *(Step(number, "earns", 9 + number) for number in range(4)))
