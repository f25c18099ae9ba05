"""What a stream's events come to: an inviter, an invitation, or an address that gets no mail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.invites import Ending, Reason

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
PATIENCE: Final = 120
"""Seconds after which a mail that should have gone out is looked at again."""


@dataclass(frozen=True, slots=True)
class InviteRules:
    """The numbers of the domain in one place."""

    active: int = 200
    """Invitations of one inviter that have not come to an end."""
    per_day: int = 200
    expire_after: int = 14 * DAY
    resends: int = 3
    resend_pause: int = DAY
    remind_after: int = 3 * DAY
    seat_seconds: int = HOUR // 2
    """How long a reserved seat is held: accepting again after that asks for it again."""
    first_pause: int = 30
    longest_pause: int = HOUR


RULES: Final = InviteRules()


@dataclass(frozen=True, slots=True)
class Inviter:
    member_id: str
    email: str
    open: Mapping[str, str] = field(default_factory=dict)
    """Folded address -> invitation, of those that have not come to an end."""
    settled: frozenset[str] = frozenset()
    """Addresses that have accepted or declined: they are not asked again."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Invitation -> folded address."""
    day: int = 0
    today: int = 0
    """How many were sent on that day."""

    def sent_on(self, day: int) -> int:
        return self.today if day == self.day else 0


@dataclass(frozen=True, slots=True)
class Letter:
    """An invitation: what is wanted of the mail system, and what became of it."""

    inviter_id: str
    inviter_email: str
    email: str
    address_key: str
    note: str
    locale: str
    name: str
    code: str | None
    requested_at: int
    expires_at: int
    wanted: int = 1
    """The number of the mail that is to go out; those before it are done with."""
    wanted_at: int = 0
    done: int = 0
    """The number of the last mail that was sent, withheld or given up."""
    generation: int = 1
    """The mail from which on the present token is good; a reminder repeats it."""
    token_hash: str | None = None
    unsubscribe_hash: str | None = None
    started_at: int | None = None
    """Of a mail that is on its way out."""
    not_before: int = 0
    tries: int = 0
    sent_at: int | None = None
    resends: int = 0
    last_resent_at: int = 0
    reminded: bool = False
    unwelcome: bool = False
    """It bounced for good, was complained of or unsubscribed from."""
    unsubscribed: bool = False
    feedback: frozenset[str] = frozenset()
    ending: Ending | None = None
    seat_wanted_at: int = 0

    @property
    def pending(self) -> bool:
        return self.ending is None and self.done < self.wanted

    def due_at(self, rules: InviteRules = RULES) -> int | None:
        """When somebody has to look at it again; None: it has come to its end."""
        if self.ending is not None:
            return None
        if self.pending:
            return max(self.not_before, self.started_at or self.wanted_at)
        if not self.reminded and not self.unwelcome and self.sent_at is not None:
            return min(self.sent_at + rules.remind_after, self.expires_at)
        return self.expires_at


@dataclass(frozen=True, slots=True)
class Stream:
    """One of the three."""

    inviter: Inviter | None = None
    letter: Letter | None = None
    suppressed: Reason | None = None
