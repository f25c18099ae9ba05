"""Decide how seats are reserved and released (pure)."""

from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referrals import (
    AccountEvent,
    RedeemReferral,
    ReferralReleased,
    ReferralReserved,
    ReleaseReferral,
    ReserveReferral,
)
from contracts.rejections import CODE_NOT_USABLE, UNKNOWN_REFERRAL
from referrals.account import status
from referrals.account.state import OpenedAccount, Referral

RESERVED_SECONDS = 30 * 60


def reserve(
    account: OpenedAccount, command: ReserveReferral | RedeemReferral, context: DecisionContext
) -> list[ReferralReserved]:
    """Reserve a seat; reserving it again is the same success.

    All rejections are alike, so that a caller who guesses codes learns nothing from them.
    """
    earlier = account.referrals.get(command.use_id)
    if earlier is not None and earlier.status.takes_seat:
        return []
    barred = earlier is not None and isinstance(earlier.status, status.Rejected | status.Reversed)
    if command.member_id is None or barred or not account.can_use(command.code, context.at):
        raise not_usable()
    return [
        ReferralReserved(
            member_id=command.member_id,
            use_id=command.use_id,
            code=command.code,
            invited_user=command.invited_user,
            network=command.network,
            reserved_at=context.at,
            expires_at=context.at + RESERVED_SECONDS,
        )
    ]


def release(
    account: OpenedAccount, command: ReleaseReferral, context: DecisionContext
) -> list[AccountEvent]:
    """Give up a reservation; releasing it again changes nothing."""
    referral = find(account, command.use_id)
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
            raise Rejected(
                f"This referral is {referral.status.name}. Only a reserved referral can be "
                "released.",
                code="not_reserved",
            )
        case _:
            assert_never(referral.status)


def find(account: OpenedAccount, use_id: str) -> Referral:
    """Return the referral with this id.

    Raises:
        Rejected: the account has no such referral.
    """
    if (known := account.referrals.get(use_id)) is None:
        raise unknown_referral()
    return known


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
