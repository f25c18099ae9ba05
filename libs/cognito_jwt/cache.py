"""Cache verified tokens, so that an RSA signature is not checked for every request."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cognito_jwt.claims import Caller
from cognito_jwt.jws import InvalidToken
from cognito_jwt.revocations import RevocationList
from cognito_jwt.verifier import Verifier

MAX_TOKENS: Final = 20_000
"""About 20 MB; above it the oldest entry is evicted."""
TTL_SECONDS: Final = 300
"""After this time a signature is checked again."""


@dataclass(frozen=True, slots=True)
class _Entry:
    caller: Caller
    expires_at: float
    """UNIX seconds; never later than the token's own expiry."""


@dataclass(slots=True)
class TokenCache:
    """Verify tokens through a cache; revocations are checked on every call.

    Entries are keyed by the digest of a token. `verify_jws` accepts only one encoding of a token,
    so a re-encoded copy of a revoked token is not accepted either.
    """

    verifier: Verifier
    revocations: RevocationList
    clock: Callable[[], float] = time.time
    """UNIX seconds."""
    size: int = MAX_TOKENS
    """Largest number of cached tokens."""
    hits: int = 0
    misses: int = 0
    _entries: dict[bytes, _Entry] = field(default_factory=dict)
    _generation: int = -1

    def cached(self, token: str) -> Caller | None:
        """Return the caller if the token was verified recently, else None; takes a microsecond.

        Raises:
            InvalidToken: The token has been revoked.
        """
        entry = self._entries.get(_digest(token))
        if entry is None or entry.expires_at <= self.clock():
            return None
        if self._generation != self.verifier.generation:  # the keys have changed
            return None
        self.hits += 1
        return self._checked(entry.caller)

    async def verify(self, token: str) -> Caller:
        """Verify a token and cache the result.

        Raises:
            InvalidToken: As `Verifier.verify`, or the token has been revoked.
            KeysUnavailable: As `Verifier.verify`.
        """
        self.misses += 1
        caller = await self.verifier.verify(token)
        if self._generation != self.verifier.generation:  # forget tokens of a withdrawn key
            self._entries.clear()
            self._generation = self.verifier.generation
        self._store(_digest(token), caller)
        return self._checked(caller)

    def _store(self, digest: bytes, caller: Caller) -> None:
        self._entries.pop(digest, None)
        while len(self._entries) >= self.size:
            del self._entries[next(iter(self._entries))]
        expires_at = min(caller.expires_at, self.clock() + TTL_SECONDS)
        self._entries[digest] = _Entry(caller, expires_at)

    def _checked(self, caller: Caller) -> Caller:
        if self.revocations.is_revoked(caller):
            raise InvalidToken("the token has been revoked")
        return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
