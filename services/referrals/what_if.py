"""What other rules would have made of history: read, decide again, report; nothing is written.

Every verdict in the log is reached anew from the evidence that stood then. Each is judged by
itself: what a different verdict would have led to afterwards is not played on.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from chassis.log.event_store import EventStore, History
from chassis.log.histories import histories
from contracts.messages import View
from contracts.referrals import (
    Assessment,
    ConfirmReferral,
    CreditWithdrawn,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralHeld,
    ReferralRejected,
    ReferralReversed,
    ReferredCredited,
)
from referrals.domain import MEMBERS
from referrals.guards import GuardRules, assess
from referrals.points import rules_at
from referrals.uses import evidence

Verdict = ReferralConfirmed | ReferralDelayed | ReferralHeld | ReferralRejected


class OtherPoints(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    inviter: int
    invited: int


class RuleSet(BaseModel):
    """The file: `{"guards": {"version": 2, "disposable_domain": 90}, "points": {…}}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    guards: GuardRules | None = None
    points: OtherPoints | None = None


class NoRules(Exception):
    """The file holds no rules, and why."""


class ChangedVerdict(View):
    """A referral that the other rules would have judged otherwise."""

    member_id: str
    use_id: str
    at: int
    was: Assessment
    would_be: Assessment


@dataclass(slots=True)
class Report:
    streams: int = 0
    verdicts: int = 0
    bands: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: list[ChangedVerdict] = field(default_factory=list)
    points: int = 0
    points_would_be: int = 0
    members_with_other_points: int = 0


def read_rules(path: Path) -> RuleSet:
    """The rules in a file.

    Raises:
        NoRules: it cannot be read, or says something else.
    """
    try:
        return RuleSet.model_validate_json(path.read_bytes())
    except OSError as error:
        raise NoRules(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise NoRules(f"{path}: {where}: {first['msg']}") from error


async def what_if(store: EventStore[ReferralEvent], rules: RuleSet, since_ms: int) -> Report:
    """Run these rules over what was decided from `since_ms` on."""
    report = Report()
    async for history in histories(store):
        report.streams += 1
        if rules.guards is not None:
            for was, changed in _verdicts(history, rules.guards, since_ms):
                report.verdicts += 1
                report.bands[was.band, changed.would_be.band] += 1
                if was.band != changed.would_be.band:
                    report.changed.append(changed)
        if rules.points is not None:
            _count_points(history, rules.points, since_ms, report)
    return report


def tell(report: Report) -> Iterator[str]:
    """Lines for people; a changed verdict is a line of JSON."""
    yield f"{report.streams} streams read, {report.verdicts} verdicts reached anew"
    for (was, would_be), count in sorted(report.bands.items()):
        sign = "=" if was == would_be else "!"
        yield f"  {sign} {was} -> {would_be}: {count}"
    for changed in report.changed:
        yield json.dumps(changed.model_dump(mode="json"), sort_keys=True)
    if report.points or report.points_would_be:
        yield (
            f"points: {report.points} -> {report.points_would_be}, "
            f"of {report.members_with_other_points} members other than they are"
        )


def _verdicts(
    history: History[ReferralEvent], rules: GuardRules, since_ms: int
) -> Iterator[tuple[Assessment, ChangedVerdict]]:
    member = MEMBERS.initial
    for commit in history.commits:
        for event in commit.events:
            if isinstance(event, Verdict) and event.assessment and commit.origin.at >= since_ms:
                at = commit.origin.at // 1000
                command = ConfirmReferral(
                    member_id=event.member_id,
                    use_id=event.use_id,
                    invited_id=event.invited_id,
                    network=event.network,
                )
                would_be = assess(rules, evidence(member, command, at))
                yield (
                    event.assessment,
                    ChangedVerdict(
                        member_id=event.member_id,
                        use_id=event.use_id,
                        at=at,
                        was=event.assessment,
                        would_be=would_be,
                    ),
                )
            member = MEMBERS.evolve(member, event)


def _count_points(
    history: History[ReferralEvent], rules: OtherPoints, since_ms: int, report: Report
) -> None:
    points = would_be = 0
    for commit in history.commits:
        if commit.origin.at < since_ms:
            continue
        for event in commit.events:
            was, other = _earned(event, rules)
            points, would_be = points + was, would_be + other
    report.points += points
    report.points_would_be += would_be
    report.members_with_other_points += points != would_be


def _earned(event: ReferralEvent, other: OtherPoints) -> tuple[int, int]:
    """What the event brought, and what it would have brought."""
    match event:
        case ReferralConfirmed() if not event.team:
            return rules_at(event.confirmed_at).inviter, other.inviter
        case ReferralReversed():
            return -rules_at(event.confirmed_at).inviter, -other.inviter
        case ReferredCredited():
            return rules_at(event.credited_at).invited, other.invited
        case CreditWithdrawn():
            return -rules_at(event.credited_at).invited, -other.invited
        case _:
            return 0, 0
