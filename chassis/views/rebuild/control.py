"""Let an operator follow, pause, resume, cancel and roll back a rebuild."""

from dataclasses import dataclass

from chassis.views.rebuild.plan import RebuildPlans, RequestedState
from chassis.views.rebuild.progress import RebuildProgress, progress_of
from chassis.views.rebuild.retirement import delete_retired


@dataclass(frozen=True, slots=True)
class RebuildControl:
    """Control the rebuilds of one service, whichever processes work on them."""

    plans: RebuildPlans

    async def progress(self, name: str) -> RebuildProgress | None:
        """Return how far the current or the last rebuild has come; None if there was none."""
        plan = await self.plans.read(name)
        return None if plan is None else progress_of(name, plan)

    async def set_state(self, name: str, state: RequestedState) -> bool:
        """Pause, resume or cancel a rebuild; return False if none is under way."""
        for each in await self.plans.generations():
            if each.name == name and each.role == "building":
                accepted = await self.plans.set_state(name, each.value, state)
                if state == "cancelled":
                    await delete_retired(self.plans, name)
                return accepted
        return False

    async def rollback(self, name: str) -> int | None:
        """Serve the previous generation; return its number, or None if there is none."""
        return await self.plans.rollback(name)
