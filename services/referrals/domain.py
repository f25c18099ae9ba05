"""Members: how an account is opened and how it comes to its referral code."""

from dataclasses import dataclass, replace
from typing import assert_never

from chassis.decider import Decider, Moment, Rejected
from contracts import referral_code
from contracts.referrals import (
    DEFAULT_TOTAL_REFERRALS,
    AccountOpened,
    CodeIssued,
    OpenAccount,
    ReferralCommand,
    ReferralEvent,
)


@dataclass(frozen=True, slots=True)
class Member:
    opened: bool = False
    code: str | None = None


def decide(member: Member, command: ReferralCommand, moment: Moment) -> list[ReferralEvent]:
    match command:
        case OpenAccount():
            return _open(member, command, moment)
        case _:
            assert_never(command)


def evolve(member: Member, event: ReferralEvent) -> Member:
    match event:
        case AccountOpened():
            return replace(member, opened=True)
        case CodeIssued():
            return replace(member, code=event.code)
        case _:
            assert_never(event)


def claims(event: ReferralEvent) -> tuple[str, ...]:
    """A code belongs to one member for ever: a revoked code must not come back as another's."""
    match event:
        case CodeIssued():
            return (f"code#{event.code}",)
        case _:
            return ()


def _open(member: Member, command: OpenAccount, moment: Moment) -> list[ReferralEvent]:
    if member.opened:
        raise Rejected("this account has already been opened", code="account_exists")
    return [
        AccountOpened(
            member_id=command.member_id,
            email=command.email,
            total_referrals=DEFAULT_TOTAL_REFERRALS,
            opened_at=moment.at,
        ),
        CodeIssued(
            member_id=command.member_id,
            code=referral_code.from_entropy(moment.entropy),
            issued_at=moment.at,
        ),
    ]


MEMBERS = Decider(Member(), decide, evolve, claims)
