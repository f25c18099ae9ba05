"""Declare which refusals of a command are final for its Idempotency-Key."""

from collections.abc import Mapping
from typing import Final

from contracts.messages import CommandOutcome

PASSING: Final[Mapping[str, str]] = {
    "no_account": "the account is opened, or the service learns that it was",
    "no_code": "a code is issued, or a seat becomes free",
    "not_found": "what the request is about was requested, and is made a moment later",
    "code_not_usable": "a reservation expires, or the quota is raised",
    "too_many_unused": "reservations that expired unused are counted for a day",
    "invited_often": "some weeks pass after the last invitation",
    "too_many_active": "open invitations are answered or expire",
    "too_many_today": "the next day begins",
    "too_many_codes": "a code expires or is revoked",
    "resent_lately": "the pause between two mails ends",
    "not_confirmed": "the delay of a referral passes",
    "not_held": "the referral is confirmed, and held",
    "quota_in_use": "reservations expire",
    "too_fresh": "the latest report grows older",
}
"""Code of a refusal that is lifted in time -> what lifts it.

A repetition under the same key is decided again.
"""
FINAL: Final = frozenset(
    {
        "account_exists",
        "already_invited",
        "campaign_exists",
        "code_revoked",
        "code_taken",
        "discarded",
        "final",
        "invalid_code",
        "invalid_expiry",
        "invalid_id",
        "invalid_sub",
        "invite_accepted",
        "invite_declined",
        "invite_expired",
        "invite_revoked",
        "name_refused",
        "not_reserved",
        "own_address",
        "referred_before",
        "resent_out",
        "reservation_ended",
        "seat_taken",
        "second_person_required",
        "taken",
        "token_replaced",
        "too_large",
        "unsupported_chain",
    }
)
"""Codes of the refusals that a repetition under the same key receives again.

So is every code that this build does not know. The services send the rest to themselves only.
"""


def passes(outcome: CommandOutcome) -> bool:
    """Return whether an outcome is a refusal that is not final for the key of its command."""
    return outcome.rejection is not None and outcome.rejection.code in PASSING
