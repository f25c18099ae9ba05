"""Ask anonymous callers for a proof of work once the budget that they share is spent.

A challenge is signed, so that no process stores it: `<expiry>.<bits>.<nonce>.<signature>`. The
caller finds a number such that the SHA-256 of `<challenge>.<number>` begins with that many zero
bits, which takes about 2^bits hashes, and sends this text in a header. A proof is accepted once.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.http.problems import QUOTA_TYPE, Problem
from gateway.http.requests import single_header

HEADER: Final = "X-Proof-Of-Work"
LIFETIME: Final = 300
"""Seconds in which a challenge can be solved."""
RETRY_SECONDS: Final = 60
"""`Retry-After` for callers that do not solve challenges."""
_KEY: Final = "gateway:{proofs}:key"
_KEY_SECONDS: Final = 86_400
_PROOF: Final = re.compile(
    r"(?P<challenge>(?P<signed>(?P<expires>[0-9]{1,12})\.(?P<bits>[0-9]{1,2})\.[0-9a-f]{32})"
    r"\.(?P<signature>[0-9a-f]{64}))\.[0-9]{1,20}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ProofOfWork:
    """Issue challenges, and accept each proof once, in any process of the gateway."""

    redis: Any
    """Holds the key of signatures, which the first process creates, and the proofs accepted."""
    bits: int
    """Zero bits that a proof begins with; 0 accepts any."""
    clock: Callable[[], float] = time.time
    """UNIX seconds."""

    async def require(self, request: web.Request, policy: str, detail: str) -> None:
        """Return if the request has a valid proof.

        Raises:
            Problem: 429 with a challenge, the name of the spent limit and `detail`.
        """
        key = await self._key()
        proof = single_header(request, HEADER)
        if proof is not None and await self._accept(proof, key):
            return
        raise Problem(
            429,
            "proof_of_work_required",
            detail,
            {"Retry-After": str(RETRY_SECONDS)},
            type=QUOTA_TYPE,
            extra={
                "violated-policies": [policy],
                "challenge": self.challenge(key),
                "bits": self.bits,
            },
        )

    def challenge(self, key: bytes) -> str:
        """Return a new challenge, signed with `key`."""
        expires = int(self.clock()) + LIFETIME
        signed = f"{expires}.{self.bits}.{secrets.token_hex(16)}"
        return f"{signed}.{_signature(key, signed)}"

    async def _accept(self, proof: str, key: bytes) -> bool:
        """Return whether a proof is valid, and remember it, so that it is not accepted again."""
        parts = _PROOF.fullmatch(proof)
        if parts is None or not hmac.compare_digest(
            parts["signature"], _signature(key, parts["signed"])
        ):
            return False
        left = int(parts["expires"]) - self.clock()
        if left <= 0 or leading_zero_bits(proof) < int(parts["bits"]):
            return False
        name = f"gateway:{{proof:{parts['challenge'][-32:]}}}"
        return bool(await self.redis.set(name, "1", nx=True, ex=int(left) + 1))

    async def _key(self) -> bytes:
        """Return the key that all processes sign with; a new one after a day or a loss of Redis."""
        stored = await self.redis.get(_KEY)
        if stored is None:
            await self.redis.set(_KEY, secrets.token_hex(32), nx=True, ex=_KEY_SECONDS)
            stored = await self.redis.get(_KEY)
        return bytes(stored)


def leading_zero_bits(proof: str) -> int:
    """Return the number of zero bits that the SHA-256 of a proof begins with."""
    digest = int.from_bytes(hashlib.sha256(proof.encode()).digest(), "big")
    return hashlib.sha256().digest_size * 8 - digest.bit_length()


def _signature(key: bytes, signed: str) -> str:
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
