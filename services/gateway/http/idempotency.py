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

# A mark is the fingerprint of the request that a key belongs to. With a '-' behind it, the command
# was refused for now and is decided again. The mark '1' is of a build that stored no fingerprints.

# KEYS claim, response, mark. ARGV token, milliseconds, seconds, fingerprint.
_BEGIN = """
local mark = redis.call('GET', KEYS[3]) or ''
local known = mark ~= '' and mark ~= '1'
if known and string.sub(mark, 1, #ARGV[4]) ~= ARGV[4] then return {'reused', ''} end
local response = redis.call('GET', KEYS[2])
if response then return {known and 'stored' or 'stored for a command', response} end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return {'running', ''} end
redis.call('SET', KEYS[3], mark == '1' and mark or ARGV[4], 'EX', ARGV[3])
local repeated = mark ~= '' and string.sub(mark, -1) ~= '-'
return {repeated and 'claimed again' or 'claimed', ''}
"""
# KEYS claim. ARGV token, milliseconds.
_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# KEYS claim, response, mark. ARGV token, seconds, what is stored, the response or the mark.
_END = """
if ARGV[3] == 'response' then
  redis.call('SET', KEYS[2], ARGV[4], 'EX', ARGV[2])
  redis.call('EXPIRE', KEYS[3], ARGV[2])
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
if ARGV[3] == 'mark' then redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[2]) end
if ARGV[3] == 'unused' then redis.call('DEL', KEYS[3]) end
return true
"""
# KEYS claim, response, mark. ARGV response.
_DISCARD = "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end"


class KeyInUse(Exception):
    """Another request with this key is being processed."""


class KeyReused(Exception):
    """The key was used for a request with different content."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Represent the right to process the request with a key."""

    command_id: str
    fingerprint: str
    """Digest of the request that the key belongs to."""
    token: str
    repeated: bool = False
    """The key was claimed before: its command may have been sent."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """Represent a response that is stored under a key."""

    response: Response
    digest: str
    """Digest of the command that it responds to."""
    fits_request: bool
    """Whether it is known to respond to the same request; if not, the digest decides."""


class StoredResponses:
    """Store responses in Redis, where they outlive a restart and all workers share them."""

    def __init__(self, redis: Any) -> None:
        self._begin = redis.register_script(_BEGIN)
        self._renew = redis.register_script(_RENEW)
        self._end = redis.register_script(_END)
        self._discard = redis.register_script(_DISCARD)

    async def begin(self, command_id: str, fingerprint: str) -> StoredResponse | Claim:
        """Return the stored response, or a claim, to be held with `keep` and then ended.

        Raises:
            KeyInUse: another request holds the claim.
            KeyReused: the key belongs to a request with another fingerprint.
        """
        token, keys = f"{fingerprint}:{os.urandom(6).hex()}", _keys(command_id)
        arguments = [token, _LEASE, STORED_SECONDS, fingerprint]
        state, value = await self._begin(keys=keys, args=arguments)
        match state:
            case b"stored" | b"stored for a command":
                stored = _unpack(value, fits_request=state == b"stored")
                if stored.response.is_final:
                    return stored
                await self._discard(keys=keys, args=[value])
                return await self.begin(command_id, fingerprint)
            case b"claimed" | b"claimed again":
                return Claim(command_id, fingerprint, token, repeated=state == b"claimed again")
            case b"running":
                raise KeyInUse
            case _:
                raise KeyReused

    async def keep(self, claim: Claim) -> None:
        """Renew a claim until cancelled; run as a task. The claim of a dead process lapses soon.

        A claim that could not be renewed lapses as well: a repetition then sends the same command,
        since the key determines its id, and the command is executed once.
        """
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(RedisError):
                await self._renew(keys=_keys(claim.command_id)[:1], args=[claim.token, _LEASE])

    async def store(self, claim: Claim, digest: str, response: Response) -> None:
        """Release the claim and store the final response to the command with this digest."""
        await self._release(claim, "response", _pack(digest, response))

    async def release(self, claim: Claim, *, sent: bool = True) -> None:
        """Release the claim without a response.

        If no command was `sent` for a claim that is not repeated, the key counts as unused.
        """
        await self._release(claim, "nothing" if sent or claim.repeated else "unused")

    async def release_refused(self, claim: Claim) -> None:
        """Release the claim of a command that was refused for now: it will be decided again."""
        await self._release(claim, "mark", f"{claim.fingerprint}-")

    async def _release(self, claim: Claim, what: str, value: bytes | str = b"") -> None:
        arguments = [claim.token, STORED_SECONDS, what, value]
        await self._end(keys=_keys(claim.command_id), args=arguments)


def _keys(command_id: str) -> list[str]:
    return [f"{name}:{{{command_id}}}" for name in ("claim", "answer", "claimed")]


def _pack(digest: str, response: Response) -> bytes:
    headers = {str(name): value for name, value in response.headers.items()}
    head = [digest, response.status, response.content_type, headers]
    return orjson.dumps(head) + b"\n" + response.body


def _unpack(packed: bytes, *, fits_request: bool) -> StoredResponse:
    head, _, body = packed.partition(b"\n")
    digest, status, content_type, headers = orjson.loads(head)
    # earlier builds stored this response, which says that the outcome is not known yet
    is_pending = headers.get("Location", "").startswith("/v1/operations/")
    headers["Idempotency-Replayed"] = "true"
    response = Response(status, body, headers, content_type, is_final=not is_pending)
    return StoredResponse(response, digest, fits_request)
