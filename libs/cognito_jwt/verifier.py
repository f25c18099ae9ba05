"""Verify tokens: signature, issuer and claims, in that order of trust."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cognito_jwt.claims import Caller, Pool, read_claims
from cognito_jwt.jws import (
    InvalidToken,
    UnknownKey,
    check_signature,
    decode_part,
    split,
    strict_object,
)
from cognito_jwt.keys import KeySet


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verify the ID and access tokens of one or several user pools."""

    pools: Mapping[str, tuple[Pool, KeySet]]
    """Issuer to its pool and keys."""
    clock: Callable[[], float] = time.time
    """UNIX seconds."""

    @property
    def generation(self) -> int:
        """Increases when the keys of any pool change."""
        generation = 0
        for _, keys in self.pools.values():  # faster than a generator; computed for every request
            generation += keys.generation
        return generation

    async def verify(self, token: str) -> Caller:
        """Return who a token was issued to.

        Raises:
            InvalidToken: The token is malformed, forged, expired, or not for these pools.
            KeysUnavailable: Its signature cannot be checked at the moment.
        """
        header, payload, signature = split(token)
        claims = strict_object(decode_part(payload), "payload")
        pool, keys = self._pool_of(claims)
        try:
            check_signature(token, keys.snapshot(), header, signature)
        except UnknownKey as unknown:
            check_signature(token, await keys.keys_for(unknown.kid), header, signature)
        return read_claims(claims, pool, self.clock())

    def _pool_of(self, claims: Mapping[str, Any]) -> tuple[Pool, KeySet]:
        """Choose the pool by the unverified issuer: its keys must have signed the token."""
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or issuer not in self.pools:
            raise InvalidToken("the token is from another issuer")
        return self.pools[issuer]
