"""Run a rebuild from its beginning to the switch."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from chassis.resilience.failpoint import failpoint
from chassis.views.change import Target
from chassis.views.projector import Projector
from chassis.views.rebuild.parallel import together
from chassis.views.rebuild.plan import RebuildInterrupted, RebuildPlans
from chassis.views.rebuild.progress import RebuildProgress, progress_of
from chassis.views.rebuild.retirement import delete_retired
from chassis.views.rebuild.shared_scan import SharedScan
from chassis.views.rebuild.worker import POLL_SECONDS, RebuildWorker
from contracts.messages import Event

E = TypeVar("E", bound=Event)

SEGMENTS: Final = 4
"""Segments of the log that are worked on in parallel, by default."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Rebuilder(Generic[E]):
    """Rebuild the read models of one service from its event store."""

    projector: Projector[E]
    on_page: Callable[[RebuildProgress], None] = lambda _progress: None
    """Called after each page that this process has worked through."""
    max_read_units: float | None = None
    """DynamoDB read units per second and segment; None: no limit."""
    shared: SharedScan[E] | None = None
    """Scan that other rebuilds of this process use as well."""

    async def rebuild(
        self, name: str, *, segments: int = SEGMENTS, switch: bool = True
    ) -> RebuildProgress:
        """Rebuild one read model, or join the rebuild under way; return once it is served.

        With `switch=False` the complete generation is left unserved, for inspection.

        Raises:
            KeyError: the service has no read model of that name.
            NewerVersion: a newer version of the service is rebuilding it.
            RebuildInterrupted: Redis lost the generation, it was cancelled, or it differs from
                the log.
        """
        try:
            target = await self._begin(name, segments, switch=switch)
            await self._work(target, segments)
        except RebuildInterrupted:
            await delete_retired(self.plans, name)  # a page under way was still written
            raise
        finally:
            if self.shared is not None:
                self.shared.leave(name)
        plan = await self.plans.read(name)
        if plan is None:
            raise RebuildInterrupted(f"the plan of {name} was lost")
        progress = progress_of(name, plan)
        if progress.switch:
            await self._switch(target, progress)
        return progress

    async def _begin(self, name: str, segments: int, *, switch: bool) -> Target[E]:
        model = next((model for model in self.projector.models if model.name == name), None)
        if model is None:
            raise KeyError(name)
        started = await self.plans.begin(
            name,
            model.version,
            segments=segments,
            started=time.time(),
            switch=switch,
            total=await self.projector.store.approximate_commits(),
        )
        log.info("rebuild_started", read_model=name, generation=started.generation, how=started.how)
        return Target(self.projector.service, model, started.generation)

    async def _work(self, target: Target[E], workers: int) -> None:
        plan = await self.plans.read(target.model.name)
        began = time.monotonic() - (plan.elapsed if plan is not None else 0.0)
        shared, name = self.shared, target.model.name
        scan = self.projector.store.scan if shared is None else shared.join(name)
        worker = RebuildWorker(
            self.projector, self.plans, target, scan, self.on_page, self.max_read_units, began
        )
        await together(range(workers), lambda _: worker.run(), workers)

    async def _switch(self, target: Target[E], progress: RebuildProgress) -> None:
        name = target.model.name
        failpoint("before_switch")
        while (  # noqa: ASYNC110  another process resumes it
            reply := await self.plans.switch(name, target.value)
        ) == "paused":
            await asyncio.sleep(POLL_SECONDS)
        if reply != "switched":
            raise RebuildInterrupted(
                f"generation {target.generation} of {name} was not switched: {reply}"
            )
        await delete_retired(self.plans, name)
        log.info(
            "read_model_rebuilt",
            read_model=name,
            generation=target.generation,
            commits=progress.commits,
            events=progress.events,
            seconds=round(progress.seconds, 3),
        )

    @property
    def plans(self) -> RebuildPlans:
        """The plans of this service's rebuilds."""
        return RebuildPlans(self.projector.redis, self.projector.service)
