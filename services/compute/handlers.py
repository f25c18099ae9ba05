"""Bus in: the commands that analyses decide on."""

from chassis.commands import CommandReader
from chassis.service import Application, read_or_reject
from chassis.sqs import SQSMessage
from compute.domain import Analysis
from contracts.compute import ComputeCommand, ComputeEvent


def listen(application: Application[Analysis, ComputeCommand, ComputeEvent]) -> None:
    reader = CommandReader[ComputeCommand](ComputeCommand)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        await application.handler.handle(read_or_reject(reader.read, message))
