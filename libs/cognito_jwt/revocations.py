"""Tokens that were called back before their time; every worker holds the whole list.

Cognito tells nobody of a global sign-out, so the list is our own: in Redis, copied into each
process, looked at on every request. Should Redis lose it, the copies put it back.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import structlog
from redis.exceptions import RedisError

from cognito_jwt.claims import Caller

KEY: Final = "gateway:{revocations}:list"
VERSION: Final = "gateway:{revocations}:version"
LOOK_SECONDS: Final = 0.5
"""How much later than the first worker the others may learn of a revocation."""

# KEYS list, version. ARGV field, value, then further pairs.
_ADD = """
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return redis.call('INCR', KEYS[2])
"""

log = structlog.get_logger(__name__)

Kind = Literal["jti", "origin_jti", "sub"]
_KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}


@dataclass(frozen=True, slots=True)
class Revocation:
    """Takes back one token (`jti`), all of one sign-in (`origin_jti`), or a person's (`sub`)."""

    kind: Kind
    value: str
    before: int
    """UNIX seconds: of a person, what was signed in up to then."""
    until: int
    """UNIX seconds: after that no token of this kind can be alive."""

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.value}"

    def stored(self) -> str:
        return f"{self.before},{self.until}"


def read_entry(name: str, stored: str) -> Revocation | None:
    """None for what is not of our writing."""
    kind, _, value = name.partition(":")
    before, _, until = stored.partition(",")
    if kind not in _KINDS or not before.isdigit() or not until.isdigit():
        log.error("revocation_not_understood", entry=kind)
        return None
    return Revocation(_KINDS[kind], value, int(before), int(until))


@dataclass(slots=True)
class Revocations:
    redis: Any
    clock: Callable[[], float] = time.time
    loaded: bool = False
    """Whether the list has been read once."""
    _entries: dict[str, Revocation] = field(default_factory=dict)
    _version: int = -1

    def covers(self, caller: Caller) -> bool:
        if not self._entries:
            return False
        return (
            f"jti:{caller.jti}" in self._entries
            or f"origin_jti:{caller.origin_jti}" in self._entries
            or self._covers_person(caller)
        )

    def _covers_person(self, caller: Caller) -> bool:
        entry = self._entries.get(f"sub:{caller.subject}")
        return entry is not None and caller.auth_time <= entry.before

    async def add(self, revocation: Revocation) -> None:
        """In force here at once, and everywhere else within `LOOK_SECONDS`."""
        self._entries[revocation.name] = revocation
        await self._write([revocation])

    async def watch(self) -> None:
        """Keep the copy up to date, for ever; run as a task."""
        while True:
            try:
                await self.look()
            except RedisError as error:  # the copy stands
                log.warning("revocations_not_read", because=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read the list if it has changed; put it back if it is gone."""
        version = int(await self.redis.get(VERSION) or 0)
        if version == self._version:
            return
        if version < self._version and self._entries:
            log.warning("revocations_lost", put_back=len(self._entries))
            version = await self._write(list(self._entries.values()))
        self._entries = self._alive(await self.redis.hgetall(KEY))
        self._version = version
        self.loaded = True

    async def _write(self, revocations: list[Revocation]) -> int:
        pairs = [part for entry in revocations for part in (entry.name, entry.stored())]
        return int(await self.redis.eval(_ADD, 2, KEY, VERSION, *pairs))

    def _alive(self, stored: Mapping[bytes, bytes]) -> dict[str, Revocation]:
        entries = [read_entry(name.decode(), value.decode()) for name, value in stored.items()]
        return {
            entry.name: entry
            for entry in entries
            if entry is not None and entry.until > self.clock()
        }
