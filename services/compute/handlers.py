"""Bus in: the commands that analyses decide on, and the analyses that are to be worked on."""

from collections.abc import Awaitable, Callable

from chassis.bus.announcements import EventReader
from chassis.bus.commands import CommandReader
from chassis.resilience.outage import retry_through_outage
from chassis.run.service import Application, read_or_reject
from compute.run import Job
from compute.state import Analysis
from compute.worker import Worker
from contracts.compute import AnalysisRequested, ComputeCommand, ComputeEvent
from faststream_sqs import SQSMessage


def listen(
    application: Application[Analysis, ComputeCommand, ComputeEvent],
    worker: Callable[[], Awaitable[Worker]],
) -> None:
    commands = CommandReader[ComputeCommand](ComputeCommand)
    events = EventReader[AnalysisRequested](AnalysisRequested)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        await application.handler.handle(read_or_reject(commands.read, message))

    @application.announcements
    async def on_request(message: SQSMessage) -> None:
        """As long as it takes: the message is kept meanwhile, and one token has one at a time."""
        heard = read_or_reject(events.read, message)
        event = heard.event
        job = Job(event.chain_id, event.token_address, heard.metadata.correlation_id)
        ready = await worker()
        await retry_through_outage(lambda: ready.work(job))
