"""Token in, caller out: signature, issuer and claims in the right order."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cognito_jwt.claims import Caller, Pool, read_claims
from cognito_jwt.jws import InvalidToken, UnknownKey, decode_part, split, strict_object, verify_jws
from cognito_jwt.keys import KeySet


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies the tokens of one or several user pools."""

    pools: Mapping[str, tuple[Pool, KeySet]]
    """Issuer -> pool and its keys."""
    clock: Callable[[], float] = time.time

    @property
    def generation(self) -> int:
        """Grows whenever any pool's keys change."""
        generation = 0
        for _, keys in self.pools.values():  # no generator: this is on the road of every request
            generation += keys.generation
        return generation

    async def caller(self, token: str) -> Caller:
        """Who this token speaks for.

        Raises:
            InvalidToken: it is malformed, forged, expired, or not for us.
            KeysUnavailable: its signature cannot be checked at the moment.
        """
        pool, keys = self._pool_of(token)
        try:
            payload = verify_jws(token, keys.snapshot())
        except UnknownKey as unknown:
            payload = verify_jws(token, await keys.with_key(unknown.kid))
        return read_claims(strict_object(payload, "payload"), pool, self.clock())

    def _pool_of(self, token: str) -> tuple[Pool, KeySet]:
        """The unverified issuer only chooses whose keys must have signed the token."""
        issuer = strict_object(decode_part(split(token)[1]), "payload").get("iss")
        if not isinstance(issuer, str) or issuer not in self.pools:
            raise InvalidToken("the token is from another issuer")
        return self.pools[issuer]
