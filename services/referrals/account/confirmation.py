"""Decide on a referral when the invited person signs up (pure)."""

from functools import reduce
from typing import assert_never

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    AccountEvent,
    Assessment,
    ConfirmReferral,
    RedeemReferral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralHeld,
    ReferralRejected,
)
from referrals.account import rings, status
from referrals.account.policies import Policies
from referrals.account.referrals import Past
from referrals.account.reservation import find, known_use, reserve, unknown_referral
from referrals.account.state import Campaign, Member, OpenedAccount, with_referral
from referrals.account.uniqueness import is_referred_elsewhere
from referrals.guards import HOUR, Evidence, GuardRules, assess

NOT_ELIGIBLE = "not eligible"
REFERRED_BEFORE = "already referred by another member"


def redeem(
    account: OpenedAccount, command: RedeemReferral, context: DecisionContext, policies: Policies
) -> list[AccountEvent]:
    """Reserve a seat and confirm the referral in one step."""
    use_id = known_use(account, command.invited_user, policies.ids)
    reserved = reserve(account, command, context, policies.ids)
    account = reduce(with_referral, reserved, account)
    confirmation = ConfirmReferral(
        member_id=command.member_id,
        use_id=use_id,
        invited_id=command.invited_id,
        network=command.network,
    )
    return [*reserved, *confirm(account, confirmation, context, policies)]


def confirm(
    account: OpenedAccount, command: ConfirmReferral, context: DecisionContext, policies: Policies
) -> list[AccountEvent]:
    """Assess the sign-up and confirm, delay, hold or reject the referral.

    Confirming again for the same person is the same success.
    """
    referral = find(account, command.use_id)
    verified = command.invited_user
    # a use id is made of the address that the referral was reserved for
    if verified is not None and command.use_id not in policies.ids.use_ids(
        command.member_id, verified
    ):
        raise unknown_referral()
    if isinstance(referral, Past):
        return _confirm_past(referral, command)
    match referral.status:
        case status.Reserved():
            return [_verdict(account, command, context, policies)]
        case status.Released() | status.Expired():
            raise _reservation_ended()
        case (
            status.Delayed()
            | status.Held()
            | status.Confirmed()
            | status.Rejected()
            | status.Reversed()
        ) as decided:
            if decided.invited_id != command.invited_id:
                raise _seat_taken()
            return []
        case _:
            assert_never(referral.status)


def _confirm_past(past: Past, command: ConfirmReferral) -> list[AccountEvent]:
    if not past.person:
        raise _reservation_ended()
    if not past.is_of(command.invited_id):
        raise _seat_taken()
    return []


def _reservation_ended() -> Rejected:
    return Rejected(
        "The reservation has ended. Use the referral code again to get a new one.",
        code="reservation_ended",
        kind="gone",
    )


def _seat_taken() -> Rejected:
    return Rejected(
        "Another account has already used this referral. Ask the person who invited you for a "
        "referral code.",
        code="seat_taken",
    )


def evidence(
    account: OpenedAccount,
    command: ConfirmReferral,
    at: int,
    referred_by: tuple[str, ...] = (),
) -> Evidence:
    """Return the evidence about a sign-up at this time (UNIX seconds), before it is assessed.

    Default of `referred_by`: the member who is known to have referred the referrer.
    """
    referral = account.referrals.open[command.use_id]
    others = account.referrals.others_detailed(but=command.use_id)
    known = (account.credit.referrer_id,) if account.credit else ()
    return Evidence(
        at=at,
        invited_id=command.invited_id,
        invited_user=referral.invited_user,
        network=command.network or referral.network,
        referrer_id=account.member_id,
        referrer_email=account.email if isinstance(account, Member) else None,
        referrer_network=account.network if isinstance(account, Member) else None,
        referrer_opened_at=account.opened_at,
        referred_by=referred_by or known,
        confirmed=account.referrals.confirmations,
        reserved_at=tuple(other.reserved_at for other in others),
        other_users=tuple(other.invited_user for other in others),
    )


def after_delay(
    account: OpenedAccount,
    use_id: str,
    invited_id: str,
    context: DecisionContext,
    policies: Policies,
) -> ReferralConfirmed | ReferralHeld | ReferralRejected:
    """Confirm a delayed referral; reject a person who was referred by now, and hold a ring."""
    if is_referred_elsewhere(account, use_id, invited_id, context, policies.ids):
        return _rejected_as_referred_before(account, use_id, invited_id, context)
    upline = rings.upline(account, context)
    command = ConfirmReferral(member_id=account.member_id, use_id=use_id, invited_id=invited_id)
    if invited_id in upline:
        assessment = assess(policies.guards, evidence(account, command, context.at, upline))
        if assessment.band in ("hold", "reject"):
            return _held(command, assessment, context)
    return _confirmed(account, command, context, policies.ids)


def _verdict(
    account: OpenedAccount, command: ConfirmReferral, context: DecisionContext, policies: Policies
) -> AccountEvent:
    upline = rings.upline(account, context)
    assessment = assess(policies.guards, evidence(account, command, context.at, upline))
    if is_referred_elsewhere(account, command.use_id, command.invited_id, context, policies.ids):
        return _rejected_as_referred_before(
            account, command.use_id, command.invited_id, context, assessment
        )
    match assessment.band:
        case "confirm":
            return _confirmed(account, command, context, policies.ids, assessment)
        case "delay":
            return _delayed(command, assessment, context, policies.guards)
        case "hold":
            return _held(command, assessment, context)
        case "reject":
            return _rejected(command, assessment, context)
        case _:
            assert_never(assessment.band)


def _confirmed(
    account: OpenedAccount,
    command: ConfirmReferral,
    context: DecisionContext,
    ids: ReferralIds,
    assessment: Assessment | None = None,
) -> ReferralConfirmed:
    return ReferralConfirmed(
        member_id=command.member_id,
        use_id=command.use_id,
        invited_id=command.invited_id,
        network=command.network,
        address_digest=ids.address_digest(account.referrals.open[command.use_id].invited_user),
        assessment=assessment,
        confirmed_at=context.at,
        team=isinstance(account, Campaign),
    )


def _delayed(
    command: ConfirmReferral, assessment: Assessment, context: DecisionContext, rules: GuardRules
) -> ReferralDelayed:
    return ReferralDelayed(
        member_id=command.member_id,
        use_id=command.use_id,
        invited_id=command.invited_id,
        network=command.network,
        assessment=assessment,
        delayed_at=context.at,
        until=context.at + rules.delay_hours * HOUR,
    )


def _held(
    command: ConfirmReferral, assessment: Assessment, context: DecisionContext
) -> ReferralHeld:
    return ReferralHeld(
        member_id=command.member_id,
        use_id=command.use_id,
        invited_id=command.invited_id,
        network=command.network,
        assessment=assessment,
        held_at=context.at,
    )


def _rejected(
    command: ConfirmReferral, assessment: Assessment, context: DecisionContext
) -> ReferralRejected:
    return ReferralRejected(
        member_id=command.member_id,
        use_id=command.use_id,
        invited_id=command.invited_id,
        network=command.network,
        reason=NOT_ELIGIBLE,
        assessment=assessment,
        rejected_at=context.at,
    )


def _rejected_as_referred_before(
    account: OpenedAccount,
    use_id: str,
    invited_id: str,
    context: DecisionContext,
    assessment: Assessment | None = None,
) -> ReferralRejected:
    return ReferralRejected(
        member_id=account.member_id,
        use_id=use_id,
        invited_id=invited_id,
        reason=REFERRED_BEFORE,
        assessment=assessment,
        rejected_at=context.at,
    )
