"""Store the first response to an Idempotency-Key, so that repetitions receive the same one."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.exceptions import RedisError

from gateway.http.responses import Response

STORED_SECONDS: Final = 24 * 3600
LEASE_SECONDS: Final = 3.0
"""Seconds after which a claim that is not renewed lapses, as when the gateway was killed."""
RENEW_SECONDS: Final = 1.0
_LEASE: Final = int(LEASE_SECONDS * 1000)

# KEYS claim, response, mark of the first claim. ARGV token, milliseconds, seconds.
_BEGIN = """
local response = redis.call('GET', KEYS[2])
if response then return {'stored', response} end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  if redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[3]) then return {'claimed', ARGV[1]} end
  return {'claimed again', ARGV[1]}
end
return {'running', redis.call('GET', KEYS[1])}
"""
# KEYS claim. ARGV token, milliseconds.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# KEYS claim, response. ARGV token, response (or empty), seconds.
_END = """
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3]) end
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return true
"""


class KeyInUse(Exception):
    """Another request with this key is being processed."""


class KeyReused(Exception):
    """The key was used for a request with different content."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Represent the right to process the request with a key."""

    command_id: str
    digest: str
    token: str
    repeated: bool = False
    """The key was claimed before: its command may have been sent."""


class StoredResponses:
    """Store responses in Redis, where they outlive a restart and all workers share them."""

    def __init__(self, redis: Any) -> None:
        self._begin = redis.register_script(_BEGIN)
        self._renew = redis.register_script(_RENEW)
        self._end = redis.register_script(_END)

    async def begin(self, command_id: str, digest: str) -> Response | Claim:
        """Return the stored response, or a claim, to be held with `keep` and ended with `end`.

        Raises:
            KeyInUse: another request holds the claim.
            KeyReused: claim or response belong to a command with another digest.
        """
        token = f"{digest}:{os.urandom(6).hex()}"
        keys = [*_keys(command_id), f"claimed:{{{command_id}}}"]
        state, value = await self._begin(keys=keys, args=[token, _LEASE, STORED_SECONDS])
        if state == b"stored":
            return _unpack(value, digest)
        if state in (b"claimed", b"claimed again"):
            return Claim(command_id, digest, token, repeated=state == b"claimed again")
        if value.decode().partition(":")[0] != digest:
            raise KeyReused
        raise KeyInUse

    async def keep(self, claim: Claim) -> None:
        """Renew a claim until cancelled; run as a task. The claim of a dead process lapses soon.

        A claim that could not be renewed lapses as well: a repetition then sends the same command,
        since the key determines its id, and the command is executed once.
        """
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(RedisError):
                await self._renew(keys=_keys(claim.command_id)[:1], args=[claim.token, _LEASE])

    async def end(self, claim: Claim, response: Response | None) -> None:
        """Release the claim; store the response if it is final."""
        packed = b"" if response is None else _pack(claim.digest, response)
        await self._end(keys=_keys(claim.command_id), args=[claim.token, packed, STORED_SECONDS])


def _keys(command_id: str) -> list[str]:
    return [f"claim:{{{command_id}}}", f"answer:{{{command_id}}}"]


def _pack(digest: str, response: Response) -> bytes:
    headers = {str(name): value for name, value in response.headers.items()}
    head = [digest, response.status, response.content_type, headers]
    return orjson.dumps(head) + b"\n" + response.body


def _unpack(packed: bytes, digest: str) -> Response:
    head, _, body = packed.partition(b"\n")
    first_digest, status, content_type, headers = orjson.loads(head)
    if first_digest != digest:
        raise KeyReused
    return Response(status, body, headers | {"Idempotency-Replayed": "true"}, content_type)
