"""Watch the read models of a service, and rebuild what Redis lacks."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final, Generic, TypeVar

import structlog

from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.supervision import attempt
from chassis.views.backlog import Backlog
from chassis.views.projector import Projector
from chassis.views.rebuild.lease import any_leased
from chassis.views.rebuild.parallel import together
from chassis.views.rebuild.plan import NewerVersion, RebuildInterrupted, RebuildPlans
from chassis.views.rebuild.recovery import Recovery
from chassis.views.rebuild.run import Rebuilder
from chassis.views.rebuild.shared_scan import SharedScan
from contracts.messages import Event

E = TypeVar("E", bound=Event)

WATCH_SECONDS: Final = 1.0
"""Seconds between two looks at the read models."""
RETRY_PARKED_ROUNDS: Final = 60
"""Looks between two attempts to project parked streams."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadModelWatcher(Generic[E]):
    """Keep every read model of a service served, up to date and of the current fold version."""

    projector: Projector[E]
    outages: Outages = OUTAGES
    """Where failing looks are registered."""
    recovery: Recovery[E] = field(init=False)
    """Recovers what Redis lost."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "recovery", Recovery(self.projector))

    async def run(self) -> None:
        """Watch until cancelled; Redis may lose its data at any time.

        A look that fails is registered and repeated, whatever the error is.
        """
        for round_ in count():
            await attempt("recovery", self.recovery.look, outages=self.outages)
            look = partial(self.look, retry_parked=round_ % RETRY_PARKED_ROUNDS == 0)
            await attempt("read-model-watch", look, outages=self.outages)
            self.projector.generations_lost.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self.projector.generations_lost.wait()

    async def rebuild_needed(self) -> None:
        """Rebuild every read model that needs it by one scan; return once all are served."""
        while needed := await self.needed():
            shared = SharedScan(self.projector.store, set(needed))
            await together(needed, partial(self._rebuild, shared), len(needed))

    async def unserved(self) -> list[str]:
        """Return the read models that are not served at all."""
        served = {each.name for each in await self._plans.generations() if each.role == "serving"}
        return [model.name for model in self.projector.models if model.name not in served]

    async def needed(self) -> list[str]:
        """Return the read models that need a rebuild.

        They are not served, were built by an older fold version, or their rebuild was abandoned.
        """
        known = await self._plans.generations()
        served = {each.name: each.version for each in known if each.role == "serving"}
        building = {(each.name, each.version) for each in known if each.role == "building"}
        return [
            model.name
            for model in self.projector.models
            if served.get(model.name, 0) < model.version
            or ((model.name, model.version) in building and await self._abandoned(model.name))
        ]

    async def look(self, *, retry_parked: bool = False) -> None:
        """Rebuild what is missing, and project what instances have left behind, once."""
        if needed := await self.needed():
            log.info("rebuilds_needed", read_models=needed)
            await self.rebuild_needed()
        backlog = Backlog(self.projector)
        await backlog.project_pending()
        if retry_parked:
            await backlog.retry_parked()

    async def _rebuild(self, shared: SharedScan[E], name: str) -> None:
        try:
            await Rebuilder(self.projector, shared=shared).rebuild(name)
        except (RebuildInterrupted, NewerVersion) as error:
            log.info("rebuild_postponed", read_model=name, because=str(error))
            await asyncio.sleep(WATCH_SECONDS)

    async def _abandoned(self, name: str) -> bool:
        """Return whether a rebuild that is to be served is running without any process."""
        plan = await self._plans.read(name)
        if plan is None or plan.state != "running" or not plan.switch:
            return False
        return not await any_leased(self._plans, name, plan.unfinished_segments)

    @property
    def _plans(self) -> RebuildPlans:
        return RebuildPlans(self.projector.redis, self.projector.service)
