"""Revoke tokens before they expire; every process holds a copy of the list.

Cognito does not publish global sign-outs, so the list is separate: stored in Redis, copied into
each process and checked on every request. A process that finds the stored list changed compares it
with its copy, and stores again what Redis has lost, for instance in a failover.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import structlog
from redis.exceptions import RedisError

from cognito_jwt.claims import Caller

PREFIX: Final = "{revocations}"
POLL_SECONDS: Final = 0.5
"""How long after the first process the others apply a revocation, at most."""

MAX_STEP: Final = 2**31
"""A write advances the version by a random number up to this.

Two histories, one of which Redis has lost, therefore do not have equal versions.
"""

# KEYS: list, version. ARGV: step of the version, then pairs of field and value.
# An entry is not replaced by one that revokes less.
_ADD = """
for i = 2, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  local revoked_before = stored and tonumber(string.match(stored, '^%d+')) or -1
  if tonumber(string.match(ARGV[i + 1], '^%d+')) >= revoked_before then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return redis.call('INCRBY', KEYS[2], ARGV[1])
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
    on_change: Callable[[], None] = lambda: None
    """Called when this copy has new entries: long-lived responses check their callers again."""
    _entries: dict[str, Revocation] = field(default_factory=dict)
    _seen: tuple[int, int] | None = None
    """Version and length of the stored list when it was compared last; None: compare again."""
    _add: Any = field(init=False)

    def __post_init__(self) -> None:
        self._add = self.redis.register_script(_ADD)

    def is_revoked(self, caller: Caller) -> bool:
        """Return whether the caller's token has been revoked, by the copy in this process."""
        if not self._entries:
            return False
        return (
            f"jti:{caller.jti or ''}" in self._entries
            or f"origin_jti:{caller.origin_jti or ''}" in self._entries
            or self._is_user_revoked(caller)
        )

    def _is_user_revoked(self, caller: Caller) -> bool:
        entry = self._entries.get(f"sub:{caller.subject}")
        return entry is not None and caller.auth_time <= entry.before

    async def add(self, revocation: Revocation) -> None:
        """Apply a revocation: here at once, in other processes within `POLL_SECONDS`.

        Raises:
            RedisError: It was not stored; it holds in this process, which stores it once Redis
                accepts writes again.
        """
        self._seen = None
        self._merge([revocation])
        await self._write([revocation])

    async def watch(self) -> None:
        """Refresh the copy every `POLL_SECONDS`; run as a task, never returns.

        While Redis is unavailable the copy stays in force; the first failure is logged, and the
        end.
        """
        failing = False
        while True:
            try:
                await self.refresh()
            except RedisError as error:
                if not failing:
                    because = str(error) or type(error).__name__
                    log.warning("revocations_refresh_failed", because=because)
                failing = True
            else:
                if failing:
                    log.info("revocations_refreshed_again")
                failing = False
            await asyncio.sleep(POLL_SECONDS)

    async def refresh(self) -> None:
        """Merge the stored list into the copy if it has changed, and store what it lacks.

        Raises:
            RedisError: Redis is unavailable.
        """
        seen = await self._stored_state()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            await self._compare()
        except RedisError:
            self._seen = None
            raise
        self.loaded = True

    async def _stored_state(self) -> tuple[int, int]:
        """Return version and length of the stored list, in one round trip of a batching client."""
        version, length = await asyncio.gather(
            self.redis.get(self._version_key), self.redis.hlen(self._list_key)
        )
        return int(version or 0), int(length)

    async def _compare(self) -> None:
        stored = self._unexpired(await self.redis.hgetall(self._list_key))
        self._entries = {n: e for n, e in self._entries.items() if e.until > self.clock()}
        lost = [entry for name, entry in self._entries.items() if _weaker(stored.get(name), entry)]
        self._merge(stored.values())
        if lost:
            log.warning("revocations_restored", count=len(lost))
            await self._write(lost)
            self._seen = None  # what was seen lacked them: it must not pass for the list again

    def _merge(self, revocations: Iterable[Revocation]) -> None:
        stronger = {e.name: e for e in revocations if _weaker(self._entries.get(e.name), e)}
        self._entries |= stronger
        if stronger:
            self.on_change()

    @property
    def _list_key(self) -> str:
        return f"{self.prefix}:list"

    @property
    def _version_key(self) -> str:
        return f"{self.prefix}:version"

    async def _write(self, revocations: list[Revocation]) -> None:
        step = 1 + secrets.randbelow(MAX_STEP)
        pairs = [part for entry in revocations for part in (entry.name, entry.serialized())]
        await self._add([self._list_key, self._version_key], [step, *pairs])

    def _unexpired(self, stored: Mapping[bytes, bytes]) -> dict[str, Revocation]:
        entries = [
            parse_revocation(name.decode(), value.decode()) for name, value in stored.items()
        ]
        return {
            entry.name: entry
            for entry in entries
            if entry is not None and entry.until > self.clock()
        }


def _weaker(known: Revocation | None, other: Revocation) -> bool:
    """Return whether `known` revokes less than `other`, a revocation of the same name."""
    return known is None or (known.before, known.until) < (other.before, other.until)
