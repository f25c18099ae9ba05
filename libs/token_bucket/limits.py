"""All limits in one table, and the few words it takes to change one while we run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

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


@dataclass(slots=True)
class Table:
    """The limits by name, as they are now."""

    defaults: Mapping[str, Limit]
    limits: Mapping[str, Limit] = field(init=False)
    version: int = 0
    """Grows with every change."""

    def __post_init__(self) -> None:
        self.limits = self.defaults

    @classmethod
    def of(cls, *limits: Limit) -> "Table":
        return cls({limit.name: limit for limit in limits})

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
