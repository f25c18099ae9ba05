"""Give decisions a time of the past."""

import secrets
import time
from dataclasses import dataclass
from typing import Final

from chassis.decide.decider import DecisionContext

_DAY: Final = 86_400


@dataclass
class Clock:
    """Give decisions a time that is some days ago."""

    days_ago: float = 0

    def context(self) -> DecisionContext:
        """Return the time and randomness for one decision."""
        at = time.time() - self.days_ago * _DAY
        return DecisionContext(at_ms=int(at * 1000), entropy=secrets.token_bytes(32))
