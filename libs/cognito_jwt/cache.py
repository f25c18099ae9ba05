"""Tokens that were verified a moment ago: an RSA signature is checked once, not per request."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cognito_jwt.claims import Caller
from cognito_jwt.jws import InvalidToken
from cognito_jwt.revocations import Revocations
from cognito_jwt.verifier import Verifier

MAX_TOKENS: Final = 20_000
"""About 20 MB; the one that came first leaves first."""
TRUSTED_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: float
    """UNIX seconds: never later than the token's own end."""


@dataclass(slots=True)
class TokenCache:
    """A verifier that remembers; what is revoked is refused all the same.

    A token is known by its digest alone. Since `verify_jws` accepts one spelling of a token only,
    another spelling of a revoked token finds no way in.
    """

    verifier: Verifier
    revocations: Revocations
    clock: Callable[[], float] = time.time
    size: int = MAX_TOKENS
    hits: int = 0
    misses: int = 0
    _known: dict[bytes, _Known] = field(default_factory=dict)
    _generation: int = -1

    def remembered(self, token: str) -> Caller | None:
        """The caller, if this token was verified a short time ago; costs a microsecond.

        Raises:
            InvalidToken: it has been revoked.
        """
        known = self._known.get(_digest(token))
        if known is None or known.until <= self.clock():
            return None
        if self._generation != self.verifier.generation:  # keys have changed
            return None
        self.hits += 1
        return self._unless_revoked(known.caller)

    async def caller(self, token: str) -> Caller:
        """Verify, and remember.

        Raises:
            InvalidToken: as `Verifier.caller`, or it has been revoked.
            KeysUnavailable: as `Verifier.caller`.
        """
        self.misses += 1
        caller = await self.verifier.caller(token)
        if self._generation != self.verifier.generation:  # a withdrawn key must not live on here
            self._known.clear()
            self._generation = self.verifier.generation
        self._remember(_digest(token), caller)
        return self._unless_revoked(caller)

    def _remember(self, digest: bytes, caller: Caller) -> None:
        self._known.pop(digest, None)
        while len(self._known) >= self.size:
            del self._known[next(iter(self._known))]
        until = min(caller.expires_at, self.clock() + TRUSTED_SECONDS)
        self._known[digest] = _Known(caller, until)

    def _unless_revoked(self, caller: Caller) -> Caller:
        if self.revocations.covers(caller):
            raise InvalidToken("the token has been revoked")
        return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
