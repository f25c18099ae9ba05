"""Decide how seats are reserved and released (pure)."""

from datetime import UTC, datetime
from typing import Final, assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    RESERVED_SECONDS,
    AccountEvent,
    RedeemReferral,
    ReferralReleased,
    ReferralReserved,
    ReleaseReferral,
    ReserveReferral,
)
from contracts.rejections import CODE_NOT_USABLE, UNKNOWN_REFERRAL
from referrals.account import status
from referrals.account.referrals import Past, Referral
from referrals.account.state import OpenedAccount

MIN_LAPSES: Final = 20
"""Reservations of an account that may expire within a day; more if it has more seats."""
_TAKES_SEAT = frozenset({"reserved", "delayed", "held", "confirmed"})
_BARS = frozenset({"rejected", "reversed"})
"""Statuses after which the same person cannot be referred again."""


def reserve(
    account: OpenedAccount,
    command: ReserveReferral | RedeemReferral,
    context: DecisionContext,
    ids: ReferralIds,
) -> list[ReferralReserved]:
    """Reserve a seat; reserving it again is the same success.

    All rejections are alike, so that a caller who guesses codes learns nothing from them. A caller
    who may be anyone learns nothing about the person either: the decision is the one for a person
    who is new to the account.
    """
    use_id = known_use(account, command.invited_user, ids)
    known = account.referrals.find(use_id)
    earlier = None if known is None else known.name
    is_stranger = isinstance(command, ReserveReferral) and not command.verified
    if earlier in _TAKES_SEAT and not is_stranger:
        return []
    if command.member_id is None or not account.can_use(command.code, context.at):
        raise not_usable()
    if is_stranger:
        _check_lapses(account, context)
        if earlier in _TAKES_SEAT | _BARS:
            return []
    if earlier in _BARS:
        raise not_usable()
    return [
        ReferralReserved(
            member_id=command.member_id,
            use_id=use_id,
            code=command.code,
            invited_user=command.invited_user,
            network=command.network,
            reserved_at=context.at,
            expires_at=context.at + RESERVED_SECONDS,
            invite_id=command.invite_id if isinstance(command, ReserveReferral) else None,
        )
    ]


def _check_lapses(account: OpenedAccount, context: DecisionContext) -> None:
    """Check that not too many reservations of the account have expired lately.

    Otherwise anyone could hold all seats with made-up addresses, again and again, and let the
    stream grow without end.

    Raises:
        Rejected: only callers with a verified address can reserve a seat at the moment.
    """
    lapses = account.lapses
    if lapses.at(context.at) < max(MIN_LAPSES, account.total_referrals):
        return
    until = datetime.fromtimestamp(lapses.until, UTC)
    raise Rejected(
        "Too many seats were reserved with this code and not used. Sign up first and enter the "
        f"code then, or try again after {until:%Y-%m-%d %H:%M} UTC.",
        code="too_many_unused",
    )


def release(
    account: OpenedAccount, command: ReleaseReferral, context: DecisionContext
) -> list[AccountEvent]:
    """Give up a reservation; releasing it again changes nothing."""
    referral = find(account, command.use_id)
    if isinstance(referral, Past):
        if referral.person:
            raise _not_reserved(referral.name)
        return []
    match referral.status:
        case status.Reserved():
            return [
                ReferralReleased(
                    member_id=command.member_id, use_id=command.use_id, released_at=context.at
                )
            ]
        case status.Released() | status.Expired():
            return []
        case (
            status.Delayed()
            | status.Held()
            | status.Confirmed()
            | status.Rejected()
            | status.Reversed()
        ):
            raise _not_reserved(referral.status.name)
        case _:
            assert_never(referral.status)


def _not_reserved(name: str) -> Rejected:
    return Rejected(
        f"This referral is {name}. Only a reserved referral can be released.",
        code="not_reserved",
    )


def find(account: OpenedAccount, use_id: str) -> Referral | Past:
    """Return the referral with this id.

    Raises:
        Rejected: the account has no such referral.
    """
    if (known := account.referrals.find(use_id)) is None:
        raise unknown_referral()
    return known


def known_use(account: OpenedAccount, address: str, ids: ReferralIds) -> str:
    """Return the id of a person's use: the one that the account remembers, or that of a new use."""
    possible = ids.use_ids(account.member_id, address)
    known = (use_id for use_id in possible if account.referrals.remembered(use_id) is not None)
    return next(known, possible[0])


def not_usable() -> Rejected:
    """Return the one rejection of every code that cannot be used, whatever the reason is."""
    return Rejected(
        CODE_NOT_USABLE,
        code="code_not_usable",
    )


def unknown_referral() -> Rejected:
    """Return the rejection of a referral that the account does not have."""
    return Rejected(
        UNKNOWN_REFERRAL,
        code="not_found",
        kind="not_found",
    )
