"""Recognise that a server is no longer the primary, and mark connections that were made before."""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

_STATES: Final = "READONLY|MASTERDOWN|LOADING|UNBLOCKED"
_NOT_PRIMARY: Final = re.compile(
    rf"^(?:{_STATES})\b"  # the reply to a command
    rf"|\bscript\b.*-(?:{_STATES})\b"  # in a script, as Redis 6.2 words it
    rf"|^EXECABORT\b.*: -?(?:{_STATES})\b",  # in a transaction
    re.DOTALL,
)


def is_refusal_of_replica(text: str) -> bool:
    """Return whether an error reply says that the server is, or is becoming, a replica."""
    return _NOT_PRIMARY.search(text) is not None


@dataclass(slots=True)
class Failovers:
    """Count the failovers that the connections of one pool have noticed.

    A connection that was made before the last one may lead to a demoted server: a name moves to
    the new primary, and the old one need not close its connections.
    """

    count: int = 0
    subscriptions: "WeakSet[Any]" = field(default_factory=WeakSet)
    """Subscriptions to be interrupted: they may wait for a message for ever."""

    def notice(self, made_after: int) -> None:
        """Outdate all connections, unless this one was outdated already."""
        if made_after == self.count:
            self.count += 1
            for subscription in list(self.subscriptions):
                subscription.interrupt()


@dataclass(slots=True)
class ErrorObserver:
    """Look at each error reply of one connection; called for errors only."""

    failovers: Failovers
    made_after: int = 0
    """How many failovers had been noticed when the connection was made."""

    def __call__(self, text: str) -> None:
        if is_refusal_of_replica(text):
            self.failovers.notice(self.made_after)

    @property
    def outdated(self) -> bool:
        """Whether a failover was noticed after the connection was made."""
        return self.made_after != self.failovers.count
