"""Revoke tokens before they expire; every process holds a copy of the list.

Cognito does not publish global sign-outs, so the list is separate: stored in Redis, copied into
each process and checked on every request. If Redis loses the list, a copy restores it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import structlog
from redis.exceptions import RedisError

from cognito_jwt.claims import Caller

PREFIX: Final = "{revocations}"
POLL_SECONDS: Final = 0.5
"""How long after the first process the others apply a revocation, at most."""

# KEYS: list, version. ARGV: field, value, then further pairs.
_ADD = """
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return redis.call('INCR', KEYS[2])
"""

log = structlog.get_logger(__name__)

Kind = Literal["jti", "origin_jti", "sub"]
_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, slots=True)
class Revocation:
    """Revoke one token (`jti`), all tokens of a sign-in (`origin_jti`) or of a user (`sub`)."""

    kind: Kind
    value: str
    before: int
    """UNIX seconds; of a user (`sub`), sign-ins up to this time are revoked."""
    until: int
    """UNIX seconds; by this time every revoked token has expired, and the entry is dropped."""

    @property
    def name(self) -> str:
        """The field of the stored list: `<kind>:<value>`."""
        return f"{self.kind}:{self.value}"

    def serialized(self) -> str:
        """Return the value of the stored list: `<before>,<until>`."""
        return f"{self.before},{self.until}"


def parse_revocation(name: str, serialized: str) -> Revocation | None:
    """Return the stored revocation, or None if the entry is malformed (which is logged)."""
    kind, _, value = name.partition(":")
    before, _, until = serialized.partition(",")
    if kind not in _KINDS or not before.isdigit() or not until.isdigit():
        log.error("revocation_malformed", entry=kind)
        return None
    return Revocation(_KINDS[kind], value, int(before), int(until))


@dataclass(slots=True)
class RevocationList:
    """Hold the revocations of all processes that share a Redis."""

    redis: Any
    """A `redis.asyncio.Redis` that returns bytes."""
    clock: Callable[[], float] = time.time
    """UNIX seconds."""
    prefix: str = PREFIX
    """Start of the two Redis keys, `<prefix>:list` and `<prefix>:version`; needs a hash tag."""
    loaded: bool = False
    """Whether the list has been read from Redis."""
    _entries: dict[str, Revocation] = field(default_factory=dict)
    _version: int = -1
    _add: Any = field(init=False)

    def __post_init__(self) -> None:
        self._add = self.redis.register_script(_ADD)

    def is_revoked(self, caller: Caller) -> bool:
        """Return whether the caller's token has been revoked, by the copy in this process."""
        if not self._entries:
            return False
        return (
            f"jti:{caller.jti}" in self._entries
            or f"origin_jti:{caller.origin_jti}" in self._entries
            or self._is_user_revoked(caller)
        )

    def _is_user_revoked(self, caller: Caller) -> bool:
        entry = self._entries.get(f"sub:{caller.subject}")
        return entry is not None and caller.auth_time <= entry.before

    async def add(self, revocation: Revocation) -> None:
        """Apply a revocation: here at once, in other processes within `POLL_SECONDS`.

        Raises:
            RedisError: It was not stored, and holds in this process only.
        """
        self._entries[revocation.name] = revocation
        await self._write([revocation])

    async def watch(self) -> None:
        """Refresh the copy every `POLL_SECONDS`; run as a task, never returns.

        While Redis is unavailable the copy stays in force.
        """
        while True:
            try:
                await self.refresh()
            except RedisError as error:
                log.warning("revocations_refresh_failed", because=str(error))
            await asyncio.sleep(POLL_SECONDS)

    async def refresh(self) -> None:
        """Read the list if it has changed; restore it if Redis has lost it.

        Raises:
            RedisError: Redis is unavailable.
        """
        version = int(await self.redis.get(self._version_key) or 0)
        if version == self._version:
            return
        if version < self._version and self._entries:
            log.warning("revocations_restored", count=len(self._entries))
            version = await self._write(list(self._entries.values()))
        self._entries = self._unexpired(await self.redis.hgetall(self._list_key))
        self._version = version
        self.loaded = True

    @property
    def _list_key(self) -> str:
        return f"{self.prefix}:list"

    @property
    def _version_key(self) -> str:
        return f"{self.prefix}:version"

    async def _write(self, revocations: list[Revocation]) -> int:
        pairs = [part for entry in revocations for part in (entry.name, entry.serialized())]
        return int(await self._add([self._list_key, self._version_key], pairs))

    def _unexpired(self, stored: Mapping[bytes, bytes]) -> dict[str, Revocation]:
        entries = [
            parse_revocation(name.decode(), value.decode()) for name, value in stored.items()
        ]
        return {
            entry.name: entry
            for entry in entries
            if entry is not None and entry.until > self.clock()
        }
