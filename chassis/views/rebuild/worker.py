"""Work on a rebuild: take one free segment after another until the generation is complete."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from chassis.resilience.failpoint import failpoint
from chassis.views.change import Target
from chassis.views.projector import Projector
from chassis.views.rebuild.lease import LEASE_SECONDS, SegmentLeases
from chassis.views.rebuild.passes import SegmentPass
from chassis.views.rebuild.plan import (
    COMPLETE,
    SCAN,
    Checkpoint,
    Plan,
    RebuildInterrupted,
    RebuildPlans,
)
from chassis.views.rebuild.progress import RebuildProgress, progress_of
from chassis.views.rebuild.shared_scan import Scan
from contracts.messages import Event

E = TypeVar("E", bound=Event)

POLL_SECONDS: Final = 0.05
"""Seconds between two looks at the plan while there is nothing to do."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RebuildWorker(Generic[E]):
    """Work on the rebuild of one generation, in parallel with other workers and processes."""

    projector: Projector[E]
    plans: RebuildPlans
    target: Target[E]
    scan: Scan[E]
    on_page: Callable[[RebuildProgress], None]
    max_read_units: float | None
    """DynamoDB read units per second that this worker may use; None: no limit."""
    began: float
    """Time of the monotonic clock at which the rebuild would have begun without interruption."""

    async def run(self) -> None:
        """Work until the generation is complete, or served by another process.

        Raises:
            RebuildInterrupted: it was lost, replaced or cancelled, or it differs from the log.
        """
        while True:
            plan = await self.plans.read(self._name)
            if plan is None or plan.generation != self._generation:
                await self.plans.ensure_named(self._name, self.target.generation)
                return
            if plan.pass_number == COMPLETE or plan.state == "done":
                return
            if plan.state == "cancelled":
                raise RebuildInterrupted(f"the rebuild of {self._name} was cancelled")
            if plan.state == "failed":
                raise RebuildInterrupted(f"the rebuild of {self._name} failed {plan.because}")
            await self._step(plan)

    async def _step(self, plan: Plan) -> None:
        if plan.state == "paused":
            await asyncio.sleep(POLL_SECONDS)
        elif not plan.unfinished_segments:
            await self.plans.advance(self._name, self._generation, plan.pass_number)
        elif not await self._work_on_free_segment(plan):
            await asyncio.sleep(POLL_SECONDS)

    async def _work_on_free_segment(self, plan: Plan) -> bool:
        """Work on one unfinished segment; return False if all of them are leased."""
        leases = SegmentLeases(self.plans, self._name, self._generation)
        for segment in plan.unfinished_segments:
            async with leases.acquire(segment) as token:
                if token is not None:
                    await self._work_on(segment, plan.pass_number, token)
                    return True
        return False

    async def _work_on(self, segment: int, pass_number: int, token: str) -> None:
        plan = await self.plans.read(self._name)
        if (
            plan is None
            or plan.pass_number != pass_number
            or segment not in plan.unfinished_segments
        ):
            return  # another worker finished it before the lease was acquired
        cursor = plan.cursors.get(segment)
        work = SegmentPass(self.projector, self.target, segment, plan.segments, cursor, self.scan)
        started = time.monotonic()
        async for page in work.scan() if pass_number == SCAN else work.sweep():
            if page.differing is not None:
                await self._fail(f"because {page.differing} differs from the log")
            failpoint("before_checkpoint")
            pause = self._pause(page.read_units, time.monotonic() - started)
            elapsed = time.monotonic() - self.began
            checkpoint = Checkpoint(pass_number, segment, page.cursor, page.counts, elapsed)
            if not await self._checkpoint(checkpoint, token, pause):
                return
            await asyncio.sleep(pause)
            started = time.monotonic()

    async def _checkpoint(self, checkpoint: Checkpoint, token: str, pause: float) -> bool:
        """Store a checkpoint; return whether the work on the segment may continue."""
        state = await self.plans.store_checkpoint(
            self._name, self._generation, token, checkpoint, LEASE_SECONDS + int(pause)
        )
        if state == "lost":
            await self.plans.ensure_named(self._name, self.target.generation)
            return False
        plan = await self.plans.read(self._name)
        if plan is not None:
            self.on_page(progress_of(self._name, plan))
        return state == "running"  # otherwise paused, cancelled or failed

    async def _fail(self, because: str) -> None:
        """Stop the rebuild: a generation that differs from the log is never served."""
        log.error("rebuild_failed", read_model=self._name, because=because)
        await self.plans.fail(self._name, self._generation, because)

    def _pause(self, read_units: float, spent: float) -> float:
        """Return the seconds to wait after a page, so that reads stay below the limit."""
        if not self.max_read_units:
            return 0.0
        return max(0.0, read_units / self.max_read_units - spent)

    @property
    def _name(self) -> str:
        return self.target.model.name

    @property
    def _generation(self) -> str:
        return self.target.value
