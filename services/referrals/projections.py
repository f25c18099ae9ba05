"""What readers see of members: the entry of each, and whose code a code is."""

from collections.abc import Mapping
from typing import assert_never

from chassis.projection import Index, Projection
from contracts.referral_code import shown
from contracts.referrals import AccountOpened, CodeIssued, ReferralEvent, UsersEntry


def fold(entry: UsersEntry | None, event: ReferralEvent) -> UsersEntry | None:
    match event:
        case AccountOpened():
            return UsersEntry(
                user=event.email,
                total_referrals=event.total_referrals,
                referrals_used=0,
                referrals_pending=0,
                referrals_remaining=event.total_referrals,
                referral_is_valid=False,
            )
        case CodeIssued():
            return entry and entry.model_copy(
                update={"referral_code": shown(event.code), "referral_is_valid": True}
            )
        case _:
            assert_never(event)


def code_entries(event: ReferralEvent) -> Mapping[str, str | None]:
    match event:
        case CodeIssued():
            return {event.code: f"member-{event.member_id}"}
        case _:
            return {}


MEMBER_ENTRIES = Projection("members", UsersEntry, fold)
CODES = Index("codes", code_entries)
