"""Report what other rules would have decided: read the log, decide again, write nothing.

Each stored verdict is decided again from the evidence of its time. Later consequences of a
different verdict are not simulated.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from chassis.log.event_store import EventStore, History
from chassis.log.histories import Histories
from contracts.messages import View
from contracts.referrals import (
    Assessment,
    BoardEvent,
    ConfirmReferral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralHeld,
    ReferralRejected,
)
from referrals.account.confirmation import evidence
from referrals.account.state import Account, NotOpened, OpenedAccount, evolve
from referrals.guards import GuardRules, assess
from referrals.points import PointEvent, PointRules, points_of

Verdict = ReferralConfirmed | ReferralDelayed | ReferralHeld | ReferralRejected


class OtherPoints(BaseModel):
    """Set the points of a referral, as `PointRules` do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inviter: int
    invited: int


class RuleSet(BaseModel):
    """Describe the file: `{"guards": {"version": 2, "disposable_domain": 90}, "points": {…}}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guards: GuardRules | None = None
    points: OtherPoints | None = None


class InvalidRules(Exception):
    """The rules in a file cannot be read; the message says why."""


class ComparedVerdict(View):
    """Describe a verdict next to the one that other rules would have reached."""

    member_id: str
    use_id: str
    at: int
    was: Assessment
    would_be: Assessment


@dataclass(slots=True)
class Report:
    """Collect what other rules would have changed."""

    streams: int = 0
    verdicts: int = 0
    bands: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(band, band under the other rules) -> number of verdicts."""
    changed: list[ComparedVerdict] = field(default_factory=list)
    points: int = 0
    points_would_be: int = 0
    members_with_other_points: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Stream -> why it could be read only up to a version."""


def read_rules(path: Path) -> RuleSet:
    """Return the rules in a JSON file.

    Raises:
        InvalidRules: the file cannot be read, or a field is wrong.
    """
    try:
        return RuleSet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidRules(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InvalidRules(f"{path}: {where}: {first['msg']}") from error


async def what_if(store: EventStore[ReferralEvent], rules: RuleSet, since_ms: int) -> Report:
    """Apply these rules to everything decided since `since_ms` (UNIX milliseconds; 0: ever).

    Only streams with commits since then are read, those completely: a verdict depends on the past.
    """
    report = Report()
    histories = Histories(store)
    async for history in histories.changed(since_ms) if since_ms else histories.read():
        report.streams += 1
        if rules.guards is not None:
            for verdict in _verdicts(history, rules.guards, since_ms):
                _count_verdict(verdict, report)
        if rules.points is not None:
            _count_points(history, rules.points, since_ms, report)
    report.unreadable = histories.unreadable
    return report


def report_lines(report: Report) -> Iterator[str]:
    """Yield the report for a terminal; each changed verdict is one line of JSON."""
    yield f"Read {report.streams} streams and decided {report.verdicts} verdicts again."
    for (was, would_be), count in sorted(report.bands.items()):
        sign = "=" if was == would_be else "!"
        yield f"  {sign} {was} -> {would_be}: {count}"
    for stream, because in sorted(report.unreadable.items()):
        yield f"{stream} cannot be read completely: {because}"
    for changed in report.changed:
        yield json.dumps(changed.model_dump(mode="json"), sort_keys=True)
    if report.points or report.points_would_be:
        yield (
            f"Points: {report.points} -> {report.points_would_be}; "
            f"{report.members_with_other_points} members would have other points."
        )


def _verdicts(
    history: History[ReferralEvent], rules: GuardRules, since_ms: int
) -> Iterator[ComparedVerdict]:
    account: Account = NotOpened()
    for commit in history.commits:
        for event in commit.events:
            if isinstance(event, BoardEvent):
                continue
            if isinstance(event, Verdict) and commit.origin.at >= since_ms:
                yield from _decide_again(account, event, rules, commit.origin.at // 1000)
            account = evolve(account, event)


def _decide_again(
    account: Account, event: Verdict, rules: GuardRules, at: int
) -> Iterator[ComparedVerdict]:
    if event.assessment is None or not isinstance(account, OpenedAccount):
        return
    command = ConfirmReferral(
        member_id=event.member_id,
        use_id=event.use_id,
        invited_id=event.invited_id,
        network=event.network,
    )
    yield ComparedVerdict(
        member_id=event.member_id,
        use_id=event.use_id,
        at=at,
        was=event.assessment,
        would_be=assess(rules, evidence(account, command, at)),
    )


def _count_verdict(verdict: ComparedVerdict, report: Report) -> None:
    report.verdicts += 1
    report.bands[verdict.was.band, verdict.would_be.band] += 1
    if verdict.was.band != verdict.would_be.band:
        report.changed.append(verdict)


def _count_points(
    history: History[ReferralEvent], rules: OtherPoints, since_ms: int, report: Report
) -> None:
    other = PointRules(version=0, since=0, inviter=rules.inviter, invited=rules.invited)
    points = would_be = 0
    for commit in history.commits:
        if commit.origin.at < since_ms:
            continue
        for event in commit.events:
            if isinstance(event, PointEvent):
                points += points_of(event)
                would_be += points_of(event, lambda _at: other)
    report.points += points
    report.points_would_be += would_be
    report.members_with_other_points += points != would_be
