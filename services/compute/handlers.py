"""Bus in: the commands that analyses decide on, and the analyses that are to be worked on."""

from collections.abc import Awaitable, Callable

from chassis.announcements import EventReader
from chassis.commands import CommandReader
from chassis.outage import sit_out
from chassis.service import Application, read_or_reject
from chassis.sqs import SQSMessage
from compute.domain import Analysis
from compute.worker import Job, Worker
from contracts.compute import AnalysisRequested, ComputeCommand, ComputeEvent


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
        await sit_out(lambda: ready.work(job))
