"""Decide on an administrator's review: approve, reject or reverse a referral (pure)."""

from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    AccountEvent,
    ApproveReferral,
    ReferralConfirmed,
    ReferralRejected,
    ReferralReversed,
    RejectReferral,
    ReverseReferral,
)
from referrals.account import status
from referrals.account.referrals import REVERSIBLE, Past, Referral
from referrals.account.reservation import find
from referrals.account.second_person import require_other_referral
from referrals.account.state import Campaign, OpenedAccount
from referrals.account.uniqueness import is_referred_elsewhere


def approve(
    account: OpenedAccount, command: ApproveReferral, context: DecisionContext, ids: ReferralIds
) -> list[AccountEvent]:
    """Confirm a held or delayed referral; approving it again changes nothing."""
    referral = find(account, command.use_id)
    require_other_referral(account, referral, command.by)
    if referral.name == "confirmed":
        return []
    referral, pending = _require_pending(referral)
    if is_referred_elsewhere(account, command.use_id, pending.invited_id, context, ids):
        raise Rejected(
            "Another member has already referred this person. Reject this referral instead.",
            code="referred_before",
        )
    return [
        ReferralConfirmed(
            member_id=command.member_id,
            use_id=command.use_id,
            invited_id=pending.invited_id,
            address_digest=ids.address_digest(referral.invited_user),
            by=command.by,
            reason=command.reason,
            confirmed_at=context.at,
            team=isinstance(account, Campaign),
        )
    ]


def reject(
    account: OpenedAccount, command: RejectReferral, context: DecisionContext
) -> list[AccountEvent]:
    """Reject a held or delayed referral; rejecting it again changes nothing."""
    referral = find(account, command.use_id)
    require_other_referral(account, referral, command.by)
    if referral.name == "rejected":
        return []
    _, pending = _require_pending(referral)
    return [
        ReferralRejected(
            member_id=command.member_id,
            use_id=command.use_id,
            invited_id=pending.invited_id,
            reason=command.reason,
            by=command.by,
            rejected_at=context.at,
        )
    ]


def reverse(
    account: OpenedAccount, command: ReverseReferral, context: DecisionContext
) -> list[AccountEvent]:
    """Take back a confirmed referral; reversing it again changes nothing.

    A confirmation is final once `REVERSIBLE` later ones of the account are confirmed.
    """
    referral = find(account, command.use_id)
    require_other_referral(account, referral, command.by)
    if isinstance(referral, Past):
        return _reverse_past(referral)
    match referral.status:
        case status.Reversed():
            return []
        case status.Confirmed() as confirmed:
            return [
                ReferralReversed(
                    member_id=command.member_id,
                    use_id=command.use_id,
                    invited_id=confirmed.invited_id,
                    by=command.by,
                    reason=command.reason,
                    confirmed_at=confirmed.confirmed_at,
                    reversed_at=context.at,
                    team=isinstance(account, Campaign),
                )
            ]
        case (
            status.Reserved()
            | status.Delayed()
            | status.Held()
            | status.Rejected()
            | status.Released()
            | status.Expired()
        ):
            raise _not_confirmed(referral.status.name)
        case _:
            assert_never(referral.status)


def _reverse_past(past: Past) -> list[AccountEvent]:
    if past.name == "reversed":
        return []
    if past.name == "confirmed":
        raise Rejected(
            f"This referral is final, because {REVERSIBLE} later referrals of this account have "
            "been confirmed. Only newer ones can be reversed.",
            code="final",
        )
    raise _not_confirmed(past.name)


def _not_confirmed(name: str) -> Rejected:
    return Rejected(
        f"This referral is {name}, not confirmed. Only a confirmed referral can be reversed.",
        code="not_confirmed",
    )


def _require_pending(referral: Referral | Past) -> tuple[Referral, status.Held | status.Delayed]:
    if isinstance(referral, Referral):
        current = referral.status
        if isinstance(current, status.Held | status.Delayed):
            return referral, current
    raise Rejected(
        f"This referral is {referral.name}, not held. Only a held or delayed referral can be "
        "reviewed.",
        code="not_held",
    )
