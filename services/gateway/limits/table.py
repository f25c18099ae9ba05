"""All limits in one table, and the few words it takes to change one while we run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
_OVERRIDE = re.compile(r"(\d{1,9})/(\d{1,9})(?:;(shadow))?", re.ASCII)


class Scope(Enum):
    """Whose bucket it is."""

    ADDRESS = "ip"
    PERSON = "user"
    EVERYBODY = "all"


class Outage(Enum):
    """What holds while Redis does not answer."""

    LOCAL = "local"
    """A bucket in this worker, of its share of the limit."""
    CLOSED = "closed"
    """Nobody is let in."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`quantity` tokens, refilled evenly over `window` seconds; a full bucket is the burst."""

    name: str
    quantity: int
    window: int
    scope: Scope
    outage: Outage = Outage.LOCAL
    shadow: bool = False
    """Counted and told in the metrics, but nobody is refused."""

    @property
    def policy(self) -> str:
        """For the header `RateLimit-Policy`."""
        return f'"{self.name}";q={self.quantity};w={self.window}'

    def changed(self, override: str) -> "Limit":
        """With another quantity and window: `240/60`, `240/60;shadow`.

        Raises:
            ValueError: the text says something else.
        """
        match = _OVERRIDE.fullmatch(override)
        if match is None or not int(match[1]) or not int(match[2]):
            raise ValueError(f"{self.name}: {override!r} is not like 240/60 or 240/60;shadow")
        return replace(
            self, quantity=int(match[1]), window=int(match[2]), shadow=match[3] is not None
        )


_LIMITS: Final = (
    # before a signature is checked: a forged token costs us a hundred microseconds
    Limit("unverified", 600, MINUTE, Scope.ADDRESS),
    Limit("reads", 120, MINUTE, Scope.PERSON),
    Limit("writes", 60, MINUTE, Scope.PERSON),
    Limit("accounts", 10, HOUR, Scope.PERSON),
    Limit("services", 6_000, MINUTE, Scope.PERSON),
    Limit("invites", 10, DAY, Scope.PERSON),
    Limit("invite-bulks", 5, DAY, Scope.PERSON),
    # tokens have 256 bits: this spares us the work, it keeps no guesser out
    Limit("invite-tokens", 10, MINUTE, Scope.ADDRESS),
    Limit("refreshes", 5, HOUR, Scope.PERSON),
    Limit("admin", 120, MINUTE, Scope.PERSON),
    # guessing of referral codes; forty-five random bits are the first line, these the second
    Limit("guesses-minute", 10, MINUTE, Scope.ADDRESS, Outage.CLOSED),
    Limit("guesses-day", 100, DAY, Scope.ADDRESS, Outage.CLOSED),
    Limit("guesses-person", 10, MINUTE, Scope.PERSON, Outage.CLOSED),
    Limit("guesses-missed", 1_000, HOUR, Scope.EVERYBODY, Outage.CLOSED),
    Limit("misses-address", 30, HOUR, Scope.ADDRESS, Outage.CLOSED),
    Limit("misses-person", 30, HOUR, Scope.PERSON, Outage.CLOSED),
    # a seat that is reserved is kept from others for half an hour
    Limit("uses", 5, HOUR, Scope.ADDRESS, Outage.CLOSED),
    Limit("codes", 20, DAY, Scope.PERSON),
    # each costs us a signature to check; Amazon sends from many addresses
    Limit("notifications", 600, MINUTE, Scope.ADDRESS),
    Limit("documents", 300, MINUTE, Scope.ADDRESS),
)


@dataclass(slots=True)
class Table:
    """The limits by name, as they are now."""

    limits: Mapping[str, Limit] = field(
        default_factory=lambda: {limit.name: limit for limit in _LIMITS}
    )
    defaults: Mapping[str, Limit] = field(
        default_factory=lambda: {limit.name: limit for limit in _LIMITS}
    )

    version: int = 0
    """Grows with every change."""

    def __getitem__(self, name: str) -> Limit:
        return self.limits[name]

    def override(self, overrides: Mapping[str, str]) -> list[str]:
        """Change the named limits and put all others back; answers what could not be read."""
        limits, refused = dict(self.defaults), []
        for name, text in overrides.items():
            try:
                limits[name] = self.defaults[name].changed(text)
            except (KeyError, ValueError) as error:
                refused.append(f"no limit is called {name}" if name not in limits else str(error))
        if limits != self.limits:
            self.limits = limits
            self.version += 1
        return refused
