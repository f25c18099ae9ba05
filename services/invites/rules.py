"""Define the limits and durations of the invites service."""

from dataclasses import dataclass
from typing import Final

from contracts.invites import MAX_RESENDS, RESEND_PAUSE_SECONDS

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
SENDING_TIMEOUT: Final = 120
"""Seconds after which a mail that was requested or started, but has no result, is due again."""


@dataclass(frozen=True, slots=True)
class InviteRules:
    """Hold the limits and durations that decisions apply; all durations are in seconds."""

    active: int = 200
    """Open invitations of one inviter."""
    per_day: int = 200
    """Invitations that one inviter sends on one day (UTC)."""
    revocations: int = 2
    """Revoked invitations to one person within `revocation_window`; after that the inviter has to
    wait before inviting the person again, because each of them was a mail."""
    revocation_window: int = 14 * DAY
    mails_per_day: int = 5
    """Mails that one person gets within a day, from all inviters."""
    mails: int = 20
    """Mails that one person gets within `mail_days`, from all inviters."""
    mail_days: int = 30
    expire_after: int = 14 * DAY
    resends: int = MAX_RESENDS
    """Number of times that one invitation can be resent."""
    resend_pause: int = RESEND_PAUSE_SECONDS
    remind_after: int = 3 * DAY
    """Time from the first mail to the reminder."""
    reservation_seconds: int = HOUR // 2
    """Duration of a reservation; accepting again after that requests it again."""
    seat_pause: int = 60
    """Pause after which accepting again requests a seat again that was refused."""
    seat_attempts: int = 10
    """Number of times that a seat is requested for one invitation while it is refused."""
    first_pause: int = 30
    """Pause before the first retry of a mail; doubles with every retry."""
    longest_pause: int = HOUR


RULES: Final = InviteRules()
