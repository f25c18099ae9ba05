"""The first answer to an Idempotency-Key, kept so that a repetition gets the very same."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from gateway.http.routing import Answer

KEPT_SECONDS: Final = 24 * 3600
LEASE_SECONDS: Final = 3.0
"""How long a claim outlives its holder: a repetition after a crash need not wait longer."""
RENEW_SECONDS: Final = 1.0
_LEASE: Final = int(LEASE_SECONDS * 1000)

# KEYS claim, answer. ARGV token, milliseconds.
_BEGIN = """
local answer = redis.call('GET', KEYS[2])
if answer then return {'answered', answer} end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'claimed', ARGV[1]} end
return {'running', redis.call('GET', KEYS[1])}
"""
# KEYS claim. ARGV token, milliseconds.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# KEYS claim, answer. ARGV token, answer (or nothing), seconds.
_END = """
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3]) end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return true
"""


class KeyInUse(Exception):  # noqa: N818  names what happened
    """A request with this key is being carried out at this moment."""


class KeyReused(Exception):  # noqa: N818  names what happened
    """The key has been used for a request that asked for something else."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to be the one request that is carried out under this key."""

    command_id: str
    digest: str
    token: str


class Answers:
    """In Redis, so that they outlive a restart and hold for all workers."""

    def __init__(self, redis: Any) -> None:
        self._begin = redis.register_script(_BEGIN)
        self._renew = redis.register_script(_RENEW)
        self._end = redis.register_script(_END)

    async def begin(self, command_id: str, digest: str) -> Answer | Claim:
        """The answer that was given before, or the claim to find it, to be held by `kept`.

        Raises:
            KeyInUse: somebody else holds the claim.
            KeyReused: claim or answer belong to a command with another digest.
        """
        token = f"{digest}:{os.urandom(6).hex()}"
        state, value = await self._begin(keys=_keys(command_id), args=[token, _LEASE])
        if state == b"answered":
            return _unpack(value, digest)
        if state == b"claimed":
            return Claim(command_id, digest, token)
        if value.decode().partition(":")[0] != digest:
            raise KeyReused
        raise KeyInUse

    @contextlib.asynccontextmanager
    async def kept(self, claim: Claim) -> AsyncIterator[None]:
        """Hold a claim for the time of the context; that of a process that dies lapses soon.

        One that could not be renewed lapses as well: a repetition then finds the same command, for
        the key names it, and the command is carried out once.
        """
        keeping = asyncio.create_task(self._keep(claim))
        try:
            yield
        finally:
            keeping.cancel()

    async def _keep(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(RedisError):
                await self._renew(keys=_keys(claim.command_id)[:1], args=[claim.token, _LEASE])

    async def end(self, claim: Claim, answer: Answer | None) -> None:
        """Give the claim back, keeping the answer if there is a final one."""
        packed = b"" if answer is None else _pack(claim.digest, answer)
        await self._end(keys=_keys(claim.command_id), args=[claim.token, packed, KEPT_SECONDS])


def _keys(command_id: str) -> list[str]:
    return [f"claim:{{{command_id}}}", f"answer:{{{command_id}}}"]


def _pack(digest: str, answer: Answer) -> bytes:
    headers = {str(name): value for name, value in answer.headers.items()}
    head = [digest, answer.status, answer.content_type, headers]
    return orjson.dumps(head) + b"\n" + answer.body


def _unpack(packed: bytes, digest: str) -> Answer:
    head, _, body = packed.partition(b"\n")
    first_digest, status, content_type, headers = orjson.loads(head)
    if first_digest != digest:
        raise KeyReused
    return Answer(status, body, headers | {"Idempotency-Replayed": "true"}, content_type)
