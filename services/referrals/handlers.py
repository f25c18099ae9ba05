"""React to own events: what happens to one member can concern another member's stream."""

from typing import assert_never

from contracts.referrals import (
    CodeBrought,
    CreditReferred,
    RedeemReferral,
    ReferralCommand,
    ReferralConfirmed,
    ReferralReversed,
    SubscribedEvent,
    WithdrawCredit,
)


def commands_for(event: SubscribedEvent) -> list[ReferralCommand]:
    """Return the commands that follow from an event."""
    match event:
        case CodeBrought():
            return [
                RedeemReferral(
                    member_id=event.referrer_id,
                    code=event.code,
                    invited_user=event.email,
                    invited_id=event.member_id,
                    network=event.network,
                )
            ]
        case ReferralConfirmed():
            return [
                CreditReferred(
                    member_id=event.invited_id, referrer_id=event.member_id, use_id=event.use_id
                )
            ]
        case ReferralReversed():
            return [WithdrawCredit(member_id=event.invited_id, use_id=event.use_id)]
        case _:
            assert_never(event)
