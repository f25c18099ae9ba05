"""Build a read model anew beside the one that is served, then switch: readers notice nothing."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chassis.projector import Projector, Target
from chassis.read_models import (
    BUILDING,
    active_generations,
    control_key,
    every_generation,
    generation_of,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)

LEASE_SECONDS = 30
"""How long a rebuild that died keeps others from beginning; renewed at every page."""
WATCH_SECONDS = 1.0

# The generation is served only if it is still the one that live projection writes to.
_SWITCH = """
if redis.call('HGET', KEYS[1], ARGV[1] .. ':building') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HDEL', KEYS[1], ARGV[1] .. ':building')
return 1
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('EXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

log = structlog.get_logger(__name__)


class RebuildUnderWay(Exception):  # noqa: N818  names what happened
    """Somebody else is rebuilding this read model."""


class RebuildInterrupted(Exception):  # noqa: N818  names what happened
    """The generation being built was lost or replaced: nothing was switched, begin again."""


@dataclass(frozen=True, slots=True)
class Progress:
    name: str
    generation: int
    commits: int
    events: int
    seconds: float


@dataclass(slots=True)
class Rebuilder(Generic[E]):
    """Rebuilds the read models of one service from its event store.

    1. Announce a new generation: from now on live projection writes it too.
    2. Scan the log consistently and project every commit into it; the guard makes the commits
       that live projection wrote meanwhile duplicates, and fills the gaps between them.
    3. Switch readers over in one step, and drop what no reader can see any more.

    Killed at any point it leaves the served generation as it was, and can be run again.
    """

    projector: Projector[E]
    on_page: Callable[[Progress], None] = lambda _progress: None
    _token: str = field(default_factory=lambda: secrets.token_hex(8))

    async def rebuild(self, name: str) -> Progress:
        """Rebuild one read model.

        Raises:
            KeyError: the service has no read model of that name.
            RebuildUnderWay: another process is at it.
            RebuildInterrupted: Redis was emptied, or this process lost its lease meanwhile.
        """
        if self.projector.target(name, 0) is None:
            raise KeyError(name)
        await self._take_lease(name)
        try:
            return await self._rebuild(name)
        finally:
            await self._redis.eval(_RELEASE, 1, self._lease(name), self._token)

    async def heal(self) -> None:
        """Rebuild whatever Redis lacks; returns when everything is served."""
        while missing := await self.missing():
            for name in missing:
                try:
                    await self.rebuild(name)
                except (RebuildUnderWay, RebuildInterrupted) as reason:
                    log.info("rebuild_waits", read_model=name, because=str(reason))
                    await asyncio.sleep(WATCH_SECONDS)

    async def missing(self) -> list[str]:
        served = active_generations(await self._redis.hgetall(self._control))
        return [model.name for model in self.projector.models if model.name not in served]

    async def watch(self) -> None:
        """Heal for ever: Redis may lose its data at any time, and nobody is asked then."""
        while True:
            try:
                if lost := await self.missing():
                    log.warning("read_models_missing", read_models=lost)
                    await self.heal()
            except (RedisConnectionError, RedisTimeoutError) as error:
                log.warning("redis_unreachable", because=str(error))
            self.projector.lost.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.projector.lost.wait(), WATCH_SECONDS)

    async def _rebuild(self, name: str) -> Progress:
        generation = await self._announce(name)
        target = self.projector.target(name, generation)
        assert target is not None  # noqa: S101  rebuild() has looked
        progress = await self._scan(target)
        if not await self._redis.eval(_SWITCH, 1, self._control, name, generation):
            raise RebuildInterrupted(f"generation {generation} of {name} was lost or replaced")
        await self._retire(name, generation)
        log.info(
            "read_model_rebuilt",
            read_model=name,
            generation=generation,
            commits=progress.commits,
            events=progress.events,
            seconds=round(progress.seconds, 3),
        )
        return progress

    async def _announce(self, name: str) -> int:
        control = await self._redis.hgetall(self._control)
        known = [int(control.get(key.encode(), 0)) for key in (name, name + BUILDING)]
        generation = max(known) + 1
        await self._redis.hset(self._control, name + BUILDING, generation)
        return generation

    async def _scan(self, target: Target[E]) -> Progress:
        name = target.model.name
        started, commits, events = time.monotonic(), 0, 0
        progress = Progress(name, target.generation, 0, 0, 0.0)
        async for page in self.projector.store.scan():
            if not await self._redis.eval(_RENEW, 1, self._lease(name), self._token, LEASE_SECONDS):
                raise RebuildInterrupted(f"the lease on {name} was lost")
            await self.projector.project_commits(target, page.commits)
            commits += len(page.commits)
            events += sum(len(commit.events) for commit in page.commits)
            seconds = time.monotonic() - started
            progress = Progress(name, target.generation, commits, events, seconds)
            self.on_page(progress)
        return progress

    async def _retire(self, name: str, serving: int) -> None:
        """Drop older generations. Readers that still look for one look again on a miss."""
        pattern = f"{every_generation(self.projector.service, name)}*"
        async for key in self._redis.scan_iter(match=pattern, count=1000):
            if generation_of(key) < serving:
                await self._redis.unlink(key)

    async def _take_lease(self, name: str) -> None:
        lease = self._lease(name)
        if not await self._redis.set(lease, self._token, nx=True, ex=LEASE_SECONDS):
            raise RebuildUnderWay(f"{name} is being rebuilt by another process")

    def _lease(self, name: str) -> str:
        return f"{self.projector.service}:rebuilding:{name}"

    @property
    def _control(self) -> str:
        return control_key(self.projector.service)

    @property
    def _redis(self) -> Any:
        return self.projector.redis
