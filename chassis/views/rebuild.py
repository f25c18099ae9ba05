"""Build a read model anew beside the one that is served, then switch: readers notice nothing."""

import asyncio
import contextlib
import secrets
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from itertools import count
from typing import Any, Generic, Literal, TypeVar

import structlog

from chassis.log.event_store import HeadsPage, Page
from chassis.resilience.failpoint import failpoint
from chassis.resilience.outage import is_outage
from chassis.views.inspection import Inspection
from chassis.views.projector import Counts, Projector, Target
from chassis.views.read_models import (
    Generation,
    control_key,
    every_generation,
    generation_of,
    generations,
    plan_key,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)

SEGMENTS = 4
LEASE_SECONDS = 10
"""How long a segment stays with a process that died; renewed at every page."""
WATCH_SECONDS = 1.0
LOOK_SECONDS = 0.05
"""How often a worker without a segment looks for one."""
RETRY_PARKED_ROUNDS = 60
RETIRE_BATCH = 500
HEALED_AT_ONCE = 3
"""Read models that one process rebuilds unasked at the same time; each holds a page a segment."""
MOST_SWEEPS = 3
"""Each fills what it finds; under load there is always something in the middle of its way."""
SAMPLE = 256
"""One stream in so many is compared whole with the log before a generation is served."""
DONE = "done"
SCAN = 1
WHOLE = 0

_SCRIPT = files("chassis.views").joinpath("rebuild.lua").read_text()

log = structlog.get_logger(__name__)

Steering = Literal["running", "paused", "cancelled"]


class RebuildInterrupted(Exception):  # noqa: N818  names what happened
    """The generation being built was lost, replaced, cancelled or wrong: nothing was switched."""


class NewerVersion(Exception):  # noqa: N818  names what happened
    """A newer version of the service is building this read model with a fold of its own."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild has come, all processes together."""

    name: str
    generation: int
    state: str
    """`scanning`, `verifying`, `whole`; or `paused`, `cancelled`, `failed`, `done`."""
    segments: int
    segments_done: int
    """Of the pass that is under way."""
    commits: int
    total: int
    """Commits in the log when it began, roughly: DynamoDB counts every few hours."""
    events: int
    gaps: int
    duplicates: int
    behind: int
    """Streams that a sweep found behind the log, and filled."""
    seconds: float
    """Since it was begun."""
    switch: bool
    because: str = ""

    @property
    def events_per_second(self) -> float:
        return self.events / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Of the scan; None if nobody can tell."""
        if self.state != "scanning" or not self.commits or self.total <= self.commits:
            return None
        return (self.total - self.commits) * self.seconds / self.commits


@dataclass(frozen=True, slots=True)
class _Hold:
    """A segment of one pass, for as long as the lease lasts."""

    number: int
    segment: int
    segments: int
    cursor: str | None
    token: str


@dataclass(slots=True)
class Rebuilder(Generic[E]):
    """Rebuilds the read models of one service from its event store.

    1. Announce a new generation: from now on live projection writes it too.
    2. Scan the log consistently in segments, each under a lease, and project every commit; the
       guard makes what live projection wrote meanwhile a duplicate. A checkpoint follows each
       page, so that whoever goes on after a crash repeats one page per segment, harmlessly.
    3. Sweep: compare every stream's head with its guard, fill what is behind, and compare a
       sample of the streams whole with the log; again until a sweep finds nothing behind.
    4. Switch readers over in one step. The generation before is kept up to date, so that a
       rollback is one step too; older ones are dropped.

    Plan, checkpoints and leases lie in Redis beside the generation: if Redis loses its data, all
    is lost together and the rebuild begins anew. Any number of processes may share one.
    """

    projector: Projector[E]
    on_page: Callable[[Progress], None] = lambda _progress: None
    max_read_units: float | None = None
    """DynamoDB read units per second and segment; None: as fast as it goes."""

    async def rebuild(
        self, name: str, *, segments: int = SEGMENTS, switch: bool = True
    ) -> Progress:
        """Rebuild one read model, or join whoever is at it; returns when it is served.

        `switch=False` leaves the whole generation unserved, for a look at it.

        Raises:
            KeyError: the service has no read model of that name.
            NewerVersion: a newer version of the service is at it.
            RebuildInterrupted: Redis was emptied, it was cancelled, or it differs from the log.
        """
        target = await self._begin(name, segments, switch=switch)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(segments):
                    group.create_task(self._work(target))
        except ExceptionGroup as group:  # whoever calls expects the error, not how many met it
            error = group.exceptions[0]
            if isinstance(error, RebuildInterrupted):
                await self.retire(name)  # a page that was under way has still been written
            raise error from group
        progress = await self.progress(name)
        if progress is None:
            raise RebuildInterrupted(f"the plan of {name} was lost")
        if progress.switch:
            await self._switch(target, progress)
        return progress

    async def heal(self) -> None:
        """Rebuild whatever Redis lacks, and finish what was begun; returns when all is served."""
        while needed := await self.needed():
            free = asyncio.Semaphore(HEALED_AT_ONCE)
            try:
                async with asyncio.TaskGroup() as group:
                    for name in needed:
                        group.create_task(self._heal(name, free))
            except ExceptionGroup as errors:
                raise errors.exceptions[0] from errors

    async def _heal(self, name: str, free: asyncio.Semaphore) -> None:
        async with free:
            try:
                await self.rebuild(name)
            except (RebuildInterrupted, NewerVersion) as reason:
                log.info("rebuild_waits", read_model=name, because=str(reason))
                await asyncio.sleep(WATCH_SECONDS)

    async def missing(self) -> list[str]:
        """Read models that are not served at all."""
        served = {each.name for each in await self._generations() if each.role == "serving"}
        return [model.name for model in self.projector.models if model.name not in served]

    async def needed(self) -> list[str]:
        """Read models to build: lost, begun and left, or made by an older fold than ours."""
        known = await self._generations()
        served = {each.name: each.version for each in known if each.role == "serving"}
        left = {(each.name, each.version) for each in known if each.role == "building"}
        return [
            model.name
            for model in self.projector.models
            if served.get(model.name, 0) < model.version
            or ((model.name, model.version) in left and await self._abandoned(model.name))
        ]

    async def watch(self) -> None:
        """Heal for ever: Redis may lose its data at any time, and nobody is asked then."""
        for round_ in count():
            try:
                if needed := await self.needed():
                    log.info("read_models_needed", read_models=needed)
                    await self.heal()
                await self.projector.catch_up_behind()
                if round_ % RETRY_PARKED_ROUNDS == 0:
                    await self.projector.retry_parked()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("read_models_wait", because=str(error))
            self.projector.lost.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self.projector.lost.wait()

    async def steer(self, name: str, state: Steering) -> bool:
        """Pause, resume or cancel; False if nothing is being built."""
        for each in await self._generations():
            if each.name == name and each.role == "building":
                answer: bytes = await self._script(name, "steer", each.value, state)
                if state == "cancelled":
                    await self.retire(name)
                return answer == state.encode()
        return False

    async def rollback(self, name: str) -> int | None:
        """Serve the generation before, at once; None if there is none."""
        answer = await self._script(name, "rollback", "")
        return None if answer == b"none" else int(answer.partition(b".")[0])

    async def retire(self, name: str) -> None:
        """Drop generations that nobody serves or builds. Readers look again on a miss."""
        kept = {each.number for each in await self._generations() if each.name == name}
        batch: list[bytes] = []
        async for key in self._keys(name):
            if generation_of(key) not in kept:
                batch.append(key)
            if len(batch) == RETIRE_BATCH:
                await self._unlink(batch)
        await self._unlink(batch)

    async def _begin(self, name: str, segments: int, *, switch: bool) -> Target[E]:
        model = next((model for model in self.projector.models if model.name == name), None)
        if model is None:
            raise KeyError(name)
        total = await self.projector.store.approximate_commits()
        how, generation = await self._script(
            name, "begin", model.version, segments, time.time(), int(switch), total
        )
        if how == b"newer":
            raise NewerVersion(f"{name} is being built by a newer version: {generation.decode()}")
        number = int(generation.partition(b".")[0])
        log.info("rebuild_begun", read_model=name, generation=number, how=how.decode())
        return Target(self.projector.service, model, number)

    async def _work(self, target: Target[E]) -> None:
        """Take one free segment after the other, pass after pass, until the generation is whole."""
        name = target.model.name
        while True:
            plan = await self._plan(name)
            if plan.get(b"generation") != self._value(target):
                await self._check_switched(target)
                return
            number, state = int(plan[b"pass"]), plan[b"state"].decode()
            if number == WHOLE or state == DONE:
                return
            if state in ("cancelled", "failed"):
                because = plan.get(b"because", b"").decode()
                raise RebuildInterrupted(f"the rebuild of {name} was {state} {because}".rstrip())
            todo = _todo(plan)
            if state == "paused":
                await asyncio.sleep(LOOK_SECONDS)
            elif not todo:
                await self._script(name, "advance", self._value(target), number, MOST_SWEEPS)
            elif not await self._one_of(target, plan, todo):
                await asyncio.sleep(LOOK_SECONDS)

    async def _one_of(self, target: Target[E], plan: dict[bytes, bytes], todo: list[int]) -> bool:
        """Do one of these segments; False if others hold them all."""
        name = target.model.name
        for segment in todo:
            lease, token = self._lease(name, segment), secrets.token_hex(8)
            try:
                if await self._redis.set(lease, token, nx=True, ex=LEASE_SECONDS):
                    now = await self._plan(name)  # it may have been done before we held it
                    if now.get(b"pass") == plan[b"pass"] and segment in _todo(now):
                        hold = _Hold(
                            number=int(now[b"pass"]),
                            segment=segment,
                            segments=int(now[b"segments"]),
                            cursor=_cursor(now, segment),
                            token=token,
                        )
                        await self._pages(target, hold)
                    return True
            finally:  # also when cancelled before the answer: nobody is to wait for the lease
                await self._script(name, "release", self._value(target), token, lease=lease)
        return False

    async def _pages(self, target: Target[E], hold: _Hold) -> None:
        pages = self._scan if hold.number == SCAN else self._sweep
        await self._checkpointed(target, hold, pages(target, hold))

    async def _checkpointed(
        self, target: Target[E], hold: _Hold, pages: AsyncIterator[tuple[Any, Mapping[str, int]]]
    ) -> None:
        """Each page, and then its checkpoint; ends early if the lease or the rebuild is lost."""
        started = time.monotonic()
        async for page, counts in pages:
            failpoint("before_checkpoint")
            pause = self._pause(page.read_units, time.monotonic() - started)
            state = await self._checkpoint(target, hold, page.cursor, counts, pause)
            if state == b"lost":
                await self._check_switched(target)
                return
            await self._show(target.model.name)
            if state != b"running":  # paused, cancelled or failed: the checkpoint is kept
                return
            await asyncio.sleep(pause)
            started = time.monotonic()

    async def _checkpoint(
        self,
        target: Target[E],
        hold: _Hold,
        cursor: str | None,
        counts: Mapping[str, int],
        pause: float,
    ) -> bytes:
        name = target.model.name
        answer: bytes = await self._script(
            name,
            "page",
            self._value(target),
            hold.token,
            hold.number,
            hold.segment,
            DONE if cursor is None else cursor,
            LEASE_SECONDS + int(pause),
            *(word for pair in counts.items() for word in pair),
            lease=self._lease(name, hold.segment),
        )
        return answer

    async def _scan(
        self, target: Target[E], hold: _Hold
    ) -> AsyncIterator[tuple[Page[E], Mapping[str, int]]]:
        """Project every commit of the segment."""
        pages = self.projector.store.scan(
            segment=hold.segment, segments=hold.segments, cursor=hold.cursor
        )
        async for page in pages:
            counts = Counts()
            await self.projector.project_page(target, page, counts)
            events = sum(len(commit.events) for commit in page.commits)
            yield page, {"commits": len(page.commits), "events": events, **asdict(counts)}

    async def _sweep(
        self, target: Target[E], hold: _Hold
    ) -> AsyncIterator[tuple[HeadsPage, Mapping[str, int]]]:
        """Bring every stream of the segment to its head, and compare a sample with the log."""
        pages = self.projector.store.scan_heads(
            segment=hold.segment, segments=hold.segments, cursor=hold.cursor
        )
        inspection = Inspection(self.projector)
        async for page in pages:
            behind = 0
            for stream in await inspection.behind(target, page.heads):
                behind += await self.projector.catch_up(target, stream)
            sample = [s for s in page.heads if zlib.crc32(s.encode()) % SAMPLE == 0]
            for stream in {*sample, *list(page.heads)[:1]}:
                if await inspection.differs(target, stream):
                    await self._fail(target, f"because {stream} differs from the log")
            yield page, {"behind": behind, "behind_ever": behind}

    async def _fail(self, target: Target[E], because: str) -> None:
        """What is wrong is never served; it stays for a look until the next rebuild."""
        name = target.model.name
        log.error("rebuild_failed", read_model=name, because=because)
        await self._script(name, "fail", self._value(target), because)

    def _pause(self, read_units: float, spent: float) -> float:
        """Seconds to rest after a page, so that no more is read than is allowed."""
        if not self.max_read_units:
            return 0.0
        return max(0.0, read_units / self.max_read_units - spent)

    async def _check_switched(self, target: Target[E]) -> None:
        """Another process may have finished what we share; else it is lost."""
        for each in await self._generations():
            if (each.name, each.number) == (target.model.name, target.generation):
                return
        raise RebuildInterrupted(
            f"generation {target.generation} of {target.model.name} was lost or replaced"
        )

    async def _switch(self, target: Target[E], progress: Progress) -> None:
        name = target.model.name
        failpoint("before_switch")
        while (  # noqa: ASYNC110  whoever resumes it is another process
            answer := await self._script(name, "switch", self._value(target))
        ) == b"paused":
            await asyncio.sleep(LOOK_SECONDS)
        if answer != b"switched":
            raise RebuildInterrupted(
                f"generation {target.generation} of {name} was not switched: {answer.decode()}"
            )
        await self.retire(name)
        log.info(
            "read_model_rebuilt",
            read_model=name,
            generation=target.generation,
            commits=progress.commits,
            events=progress.events,
            seconds=round(progress.seconds, 3),
        )

    async def _abandoned(self, name: str) -> bool:
        """Begun to be served, neither paused nor finished, and in nobody's hands."""
        plan = await self._plan(name)
        if plan.get(b"state") != b"running" or plan.get(b"switch") != b"1":
            return False
        held = [await self._redis.exists(self._lease(name, segment)) for segment in _todo(plan)]
        return not any(held)

    async def _show(self, name: str) -> None:
        progress = await self.progress(name)
        if progress is not None:
            self.on_page(progress)

    async def progress(self, name: str) -> Progress | None:
        """How far the rebuild that is under way has come, or the last one came."""
        plan = await self._plan(name)
        if not plan:
            return None
        segments, state = int(plan[b"segments"]), plan[b"state"].decode()
        number = int(plan[b"pass"])
        if state == "running":
            state = {WHOLE: "whole", SCAN: "scanning"}.get(number, "verifying")
        return Progress(
            name=name,
            generation=int(plan[b"generation"].partition(b".")[0]),
            state=state,
            segments=segments,
            segments_done=segments if number == WHOLE else segments - len(_todo(plan)),
            commits=_count(plan, "commits"),
            total=_count(plan, "total"),
            events=_count(plan, "events"),
            gaps=_count(plan, "gaps"),
            duplicates=_count(plan, "duplicates"),
            behind=_count(plan, "behind_ever"),
            seconds=time.time() - float(plan[b"started"]),
            switch=plan[b"switch"] == b"1",
            because=plan.get(b"because", b"").decode(),
        )

    async def _plan(self, name: str) -> dict[bytes, bytes]:
        plan: dict[bytes, bytes] = await self._redis.hgetall(plan_key(self.projector.service, name))
        return plan

    async def _generations(self) -> list[Generation]:
        return generations(await self._redis.hgetall(control_key(self.projector.service)))

    async def _keys(self, name: str) -> AsyncIterator[bytes]:
        pattern = f"{every_generation(self.projector.service, name)}*"
        async for key in self._redis.scan_iter(match=pattern, count=1000):
            yield key

    async def _unlink(self, batch: list[bytes]) -> None:
        """One round trip; a pipeline, because the keys lie in many slots of a cluster."""
        if batch:
            pipe = self._redis.pipeline(transaction=False)
            for key in batch:
                pipe.unlink(key)
            await pipe.execute()
            batch.clear()

    async def _script(self, name: str, verb: str, *arguments: Any, lease: str = "") -> Any:
        control, plan = control_key(self.projector.service), plan_key(self.projector.service, name)
        keys = [control, plan, lease or plan]
        return await self._redis.eval(_SCRIPT, len(keys), *keys, verb, name, *arguments)

    def _value(self, target: Target[E]) -> bytes:
        return f"{target.generation}.{target.model.version}".encode()

    def _lease(self, name: str, segment: int) -> str:
        return f"{{{self.projector.service}}}:rebuilding:{name}:{segment}"

    @property
    def _redis(self) -> Any:
        return self.projector.redis


def _cursor(plan: dict[bytes, bytes], segment: int) -> str | None:
    cursor = plan.get(f"cursor:{segment}".encode())
    return None if cursor is None else cursor.decode()


def _count(plan: dict[bytes, bytes], name: str) -> int:
    return int(plan.get(name.encode(), 0))


def _todo(plan: dict[bytes, bytes]) -> list[int]:
    return [n for n in range(int(plan[b"segments"])) if _cursor(plan, n) != DONE]
