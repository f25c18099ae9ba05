"""Define rate limits, and the text syntax that overrides one while the process runs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

_OVERRIDE = re.compile(r"(\d{1,9})/(\d{1,9})(?:;(shadow))?", re.ASCII)


class Scope(Enum):
    """Name what has a bucket of its own under a limit."""

    ADDRESS = "ip"
    USER = "user"
    GLOBAL = "all"


class OutagePolicy(Enum):
    """Name what a limit does while Redis is unavailable."""

    LOCAL = "local"
    """Count in this process, against its share of the limit."""
    FAIL_CLOSED = "closed"
    """Admit nothing: `RateLimiterUnavailable` is raised."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Describe a bucket of `quantity` tokens that refills evenly over `window` seconds.

    A full bucket is the largest burst; on average `quantity / window` tokens per second are
    admitted.
    """

    name: str
    quantity: int
    """Tokens in a full bucket, at least 1."""
    window: int
    """Seconds in which an empty bucket becomes full, at least 1."""
    scope: Scope
    on_outage: OutagePolicy = OutagePolicy.LOCAL
    shadow: bool = False
    """Count and report, but reject nothing."""

    @property
    def policy_header(self) -> str:
        """The item of this limit in the header `RateLimit-Policy`."""
        return f'"{self.name}";q={self.quantity};w={self.window}'

    @property
    def digits(self) -> str:
        """Quantity and window as equally many digits: a bucket is stored with them."""
        quantity, window = str(self.quantity), str(self.window)
        width = max(len(quantity), len(window))
        return quantity.zfill(width) + window.zfill(width)

    def overridden(self, override: str) -> "Limit":
        """Return this limit with another quantity and window.

        Args:
            override: `<quantity>/<window seconds>`, optionally followed by `;shadow`; for example
                `240/60` or `240/60;shadow`.

        Raises:
            ValueError: The text has another form, or one of the numbers is 0.
        """
        match = _OVERRIDE.fullmatch(override)
        if match is None or not int(match[1]) or not int(match[2]):
            raise ValueError(f"{self.name}: {override!r} is not like 240/60 or 240/60;shadow")
        return replace(
            self, quantity=int(match[1]), window=int(match[2]), shadow=match[3] is not None
        )


@dataclass(slots=True)
class LimitTable:
    """Hold the current limits by name: the defaults with the overrides applied to them."""

    defaults: Mapping[str, Limit] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(init=False)
    version: int = 0
    """Increases with every change of a limit."""

    def __post_init__(self) -> None:
        self.limits = self.defaults

    @classmethod
    def of(cls, *limits: Limit) -> "LimitTable":
        """Return a table with these defaults."""
        return cls({limit.name: limit for limit in limits})

    def __getitem__(self, name: str) -> Limit:
        return self.limits[name]

    def apply_overrides(self, overrides: Mapping[str, str]) -> list[str]:
        """Override the named limits and reset all others to their defaults.

        Returns:
            One message for each override that names no limit or cannot be parsed; such an
            override changes nothing.
        """
        limits, problems = dict(self.defaults), []
        for name, text in overrides.items():
            try:
                limits[name] = self.defaults[name].overridden(text)
            except (KeyError, ValueError) as error:
                problems.append(f"no limit is called {name}" if name not in limits else str(error))
        if limits != self.limits:
            self.limits = limits
            self.version += 1
        return problems
