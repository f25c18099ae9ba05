"""Bus in: the commands that members' streams decide on."""

from chassis.commands import CommandReader
from chassis.service import Application, read_or_reject
from chassis.sqs import SQSMessage
from contracts.referrals import ReferralCommand, ReferralEvent
from referrals.domain import Member


def listen(application: Application[Member, ReferralCommand, ReferralEvent]) -> None:
    reader = CommandReader[ReferralCommand](ReferralCommand)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        await application.handler.handle(read_or_reject(reader.read, message))
