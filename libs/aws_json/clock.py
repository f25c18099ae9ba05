"""Follow the clock of the service if that of this machine is wrong."""

import time
from email.utils import parsedate_to_datetime
from typing import Final

TOLERANCE_SECONDS: Final = 240
"""Deviation that is left alone: AWS accepts five minutes."""
_REFUSALS: Final = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
"""Codes with which a service refuses a request that was signed at the wrong time."""


class Clock:
    """Tell the time, corrected by what a service said when it refused a signature."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return the time in UNIX seconds."""
        return time.time() + self._offset

    def correct(self, code: str, date: str | None) -> bool:
        """Return whether a refusal was due to this clock, which is now corrected.

        Args:
            code: Error code of the refusal.
            date: Its `Date` header.
        """
        if code not in _REFUSALS or date is None:
            return False
        try:
            offset = parsedate_to_datetime(date).timestamp() - time.time()
        except ValueError:
            return False
        if abs(offset - self._offset) < TOLERANCE_SECONDS:
            return False
        self._offset = offset
        return True
