"""What a stream's events come to: a member with codes and uses, or the close of a day."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.referral_code import code_state
from contracts.referrals import CodeKind, UseState

SEATED: frozenset[UseState] = frozenset({"reserved", "delayed", "held", "confirmed"})
"""Uses that have a seat, for now or for good."""


@dataclass(frozen=True, slots=True)
class Code:
    kind: CodeKind
    max_uses: int | None
    expires_at: int | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Use:
    """One person's use of one of the member's codes."""

    code: str
    invited_user: str
    network: str | None
    reserved_at: int
    expires_at: int
    state: UseState = "reserved"
    invited_id: str | None = None
    settled_at: int = 0
    until: int | None = None

    @property
    def seated(self) -> bool:
        return self.state in SEATED

    def due(self, at: int) -> bool:
        """Whether time has decided on it."""
        if self.state == "reserved":
            return self.expires_at <= at
        return self.state == "delayed" and self.until is not None and self.until <= at


@dataclass(frozen=True, slots=True)
class Credit:
    """By whom the member itself came."""

    referrer_id: str
    use_id: str
    at: int
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    opened: bool = False
    team: bool = False
    email: str | None = None
    network: str | None = None
    opened_at: int = 0
    total: int = 0
    codes: Mapping[str, Code] = field(default_factory=dict)
    uses: Mapping[str, Use] = field(default_factory=dict)
    credit: Credit | None = None
    day_closed: bool = False
    """Of a board's stream."""

    @property
    def seated(self) -> int:
        """Reserved and confirmed; never more than `total`."""
        return sum(use.seated for use in self.uses.values())

    @property
    def remaining(self) -> int:
        return self.total - self.seated

    def usable(self, code: str, at: int) -> bool:
        """Whether one more person can come by this code now."""
        known = self.codes.get(code)
        if known is None:
            return False
        state = code_state(known, uses=self.uses_of(code), remaining=self.remaining, at=at)
        return state == "active"

    def uses_of(self, code: str) -> int:
        return sum(use.seated for use in self.uses.values() if use.code == code)
