"""Remember the addresses that have answered an inviter, in bounded space (pure)."""

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

REMEMBERED_ANSWERS: Final = 3_000
"""Newest answers that an inviter remembers; the person of an older one can be invited again."""
_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold the digests of the newest addresses that accepted or declined.

    They are one text, which a snapshot reads and writes as fast for thousands of them as for one.
    """

    digests: str = ""
    """Digests of eight characters (48 bits), the oldest first."""

    def __contains__(self, address: str) -> bool:
        """Return whether this folded address is remembered."""
        return self._place(address) is not None

    def with_address(self, address: str) -> "Answered":
        """Return the answers with one more; the oldest is forgotten if there are too many."""
        if address in self:
            return self
        return Answered((self.digests + _digest(address))[-REMEMBERED_ANSWERS * _LENGTH :])

    def without_address(self, address: str) -> "Answered":
        """Return the answers without this one."""
        if (at := self._place(address)) is None:
            return self
        return Answered(self.digests[:at] + self.digests[at + _LENGTH :])

    def _place(self, address: str) -> int | None:
        digest, at = _digest(address), -1
        while (at := self.digests.find(digest, at + 1)) >= 0:
            if at % _LENGTH == 0:
                return at
        return None


def _digest(address: str) -> str:
    return urlsafe_b64encode(hashlib.blake2b(address.encode(), digest_size=6).digest()).decode()
