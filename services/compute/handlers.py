"""Handle the events that the compute service subscribes to."""

from collections.abc import Awaitable, Callable

from chassis.bus.announcements import IncomingEvent
from chassis.resilience.outage import retry_through_outage
from compute.run import Job
from compute.task_protection import TaskProtection
from compute.worker import Worker
from contracts.compute import AnalysisRequested


def on_analysis_requested(
    worker: Worker, protection: TaskProtection
) -> Callable[[IncomingEvent[AnalysisRequested]], Awaitable[None]]:
    """Return a handler that runs a requested analysis to its end.

    The message stays invisible for as long as that takes, and its message group allows one run per
    token at a time. The task is protected meanwhile.
    """

    async def handle(incoming: IncomingEvent[AnalysisRequested]) -> None:
        event = incoming.event
        job = Job(event.chain_id, event.token_address, incoming.metadata.correlation_id)
        async with protection.held():
            await retry_through_outage(lambda: worker.work(job))

    return handle
