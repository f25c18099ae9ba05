"""Store the plan of each rebuild in Redis, and make its transitions through rebuild.lua."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from chassis.views.generations import Generation, parse_generations
from chassis.views.keys import (
    control_key,
    generation_counter_key,
    generation_of,
    keys_of,
    lease_key,
    plan_key,
)
from chassis.views.scripts import LuaScript

SCAN: Final = 1
"""Number of the pass that scans the log; those after it sweep."""
COMPLETE: Final = 0
"""In place of a pass: the generation is complete."""
MOST_SWEEPS: Final = 3
"""Under load a sweep always finds streams whose projection is still under way."""
_SEGMENT_DONE: Final = "done"

_TRANSITION: Final = LuaScript.load("chassis.views.rebuild", "rebuild.lua")

PlanState = Literal["running", "paused", "cancelled", "failed", "done"]
RequestedState = Literal["running", "paused", "cancelled"]
"""What an operator may request."""


class RebuildInterrupted(Exception):
    """The generation being built was lost, replaced, cancelled or wrong; nothing was switched."""


class NewerVersion(Exception):
    """A newer version of the service is building this read model with its own fold."""


class StartedRebuild(NamedTuple):
    """Describe how a rebuild was started."""

    how: Literal["started", "joined"]
    generation: int


class Checkpoint(NamedTuple):
    """Describe how far a segment of a pass has come."""

    pass_number: int
    segment: int
    cursor: str | None
    """None: the segment is done."""
    counts: Mapping[str, int]
    """What to add to the counts of the plan."""
    elapsed: float
    """Seconds of work on the rebuild so far, as this process counts them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold the plan of a rebuild as it was read."""

    generation: str
    """The generation being built, as the control hash stores it: `<number>.<fold version>`."""
    state: PlanState
    pass_number: int
    """`SCAN`, the number of a sweep, or `COMPLETE`."""
    segments: int
    cursors: Mapping[int, str]
    """Segment -> where its next page begins in this pass, or that it is done."""
    elapsed: float
    """Seconds of work so far, by the monotonic clock of the process that has worked longest."""
    switch: bool
    """Whether the generation is to be served once it is complete."""
    because: str
    """Why the rebuild failed."""
    counts: Mapping[str, int]

    @property
    def number(self) -> int:
        """Number of the generation being built."""
        return int(self.generation.partition(".")[0])

    @property
    def unfinished_segments(self) -> list[int]:
        """Segments of this pass that are not done."""
        return [n for n in range(self.segments) if self.cursors.get(n) != _SEGMENT_DONE]


_COUNTS: Final = ("commits", "total", "events", "gaps", "duplicates", "behind_ever")


def parse_plan(stored: Mapping[bytes, bytes]) -> Plan | None:
    """Return the plan that a hash holds, or None if the hash is empty."""
    if not stored:
        return None
    fields = {name.decode(): value.decode() for name, value in stored.items()}
    cursors = {
        int(name.removeprefix("cursor:")): cursor
        for name, cursor in fields.items()
        if name.startswith("cursor:")
    }
    state: Any = fields["state"]
    return Plan(
        generation=fields["generation"],
        state=state,
        pass_number=int(fields["pass"]),
        segments=int(fields["segments"]),
        cursors=cursors,
        elapsed=float(fields.get("elapsed", 0)),
        switch=fields["switch"] == "1",
        because=fields.get("because", ""),
        counts={name: int(fields.get(name, 0)) for name in _COUNTS},
    )


@dataclass(frozen=True, slots=True)
class RebuildPlans:
    """Read and change the plans of one service's rebuilds.

    A transition names the generation that it is meant for (`<number>.<fold version>`) and does
    nothing if that is not the one being built any more.
    """

    redis: Any
    service: str

    async def read(self, name: str) -> Plan | None:
        """Return the plan of the current or the last rebuild; None if there was none."""
        return parse_plan(await self.redis.hgetall(plan_key(self.service, name)))

    async def generations(self) -> list[Generation]:
        """Return every generation that is served, being built or kept for a rollback."""
        return parse_generations(await self.redis.hgetall(control_key(self.service)))

    async def ensure_named(self, name: str, number: int) -> None:
        """Return if the generation exists, being built or (by another process) already served.

        Raises:
            RebuildInterrupted: the control hash does not name it any more.
        """
        if not any((each.name, each.number) == (name, number) for each in await self.generations()):
            raise RebuildInterrupted(f"generation {number} of {name} was lost or replaced")

    async def begin(
        self, name: str, version: int, *, segments: int, started: float, switch: bool, total: int
    ) -> StartedRebuild:
        """Create a generation with this fold version, or join the one being built.

        `started` is the time in UNIX seconds; `total` is the number of commits in the log, for an
        estimate.

        Raises:
            NewerVersion: a newer fold version is building this read model.
        """
        arguments = (version, segments, started, int(switch), total)
        how, generation = await self._begin(name, *arguments, "")
        if how == b"look":  # a new generation: its number must never have been used
            floor = await highest_number(self.redis, self.service, name)
            how, generation = await self._begin(name, *arguments, floor)
        if how == b"newer":
            raise NewerVersion(f"{name} is being built by a newer version: {generation.decode()}")
        return StartedRebuild(how.decode(), int(generation.partition(b".")[0]))

    async def store_checkpoint(
        self, name: str, generation: str, token: str, checkpoint: Checkpoint, lease_seconds: int
    ) -> str:
        """Store a checkpoint and renew the lease of its segment; return the plan's state.

        Returns `lost`, and stores nothing, if the caller's lease, pass or generation has ended.
        """
        cursor = _SEGMENT_DONE if checkpoint.cursor is None else checkpoint.cursor
        reply: bytes = await self._run(
            name,
            "page",
            generation,
            token,
            checkpoint.pass_number,
            checkpoint.segment,
            cursor,
            lease_seconds,
            checkpoint.elapsed,
            *(word for pair in checkpoint.counts.items() for word in pair),
            segment=checkpoint.segment,
        )
        return reply.decode()

    async def release(self, name: str, generation: str, token: str, segment: int) -> None:
        """Release the lease on a segment if it still has this token."""
        await self._run(name, "release", generation, token, segment=segment)

    async def advance(self, name: str, generation: str, pass_number: int) -> None:
        """Start the next pass or complete the generation, if all segments are done."""
        await self._run(name, "advance", generation, pass_number, MOST_SWEEPS)

    async def fail(self, name: str, generation: str, because: str) -> None:
        """Stop the rebuild; its generation is kept unserved until the next rebuild."""
        await self._run(name, "fail", generation, because)

    async def switch(self, name: str, generation: str) -> str:
        """Serve the generation; return `switched`, or the state that prevents it."""
        reply: bytes = await self._run(name, "switch", generation)
        return reply.decode()

    async def set_state(self, name: str, generation: str, state: RequestedState) -> bool:
        """Pause, resume or cancel the rebuild; return whether that was possible."""
        reply: bytes = await self._run(name, "steer", generation, state)
        return reply == state.encode()

    async def rollback(self, name: str) -> int | None:
        """Serve the previous generation; return its number, or None if there is none."""
        reply: bytes = await self._run(name, "rollback", "")
        return None if reply == b"none" else int(reply.partition(b".")[0])

    async def _begin(self, name: str, *arguments: Any) -> Any:
        keys = [
            control_key(self.service),
            plan_key(self.service, name),
            generation_counter_key(self.service, name),
        ]
        return await _TRANSITION.run(self.redis, keys, ["begin", name, *arguments])

    async def _run(self, name: str, verb: str, *arguments: Any, segment: int | None = None) -> Any:
        plan = plan_key(self.service, name)
        lease = plan if segment is None else lease_key(self.service, name, segment)
        keys = [control_key(self.service), plan, lease]
        return await _TRANSITION.run(self.redis, keys, [verb, name, *arguments])


async def highest_number(redis: Any, service: str, name: str) -> int:
    """Return the highest number of a generation of which Redis has a key; 0: there is none."""
    highest = 0
    async for key in keys_of(redis, service, name):
        highest = max(highest, generation_of(key))
    return highest
