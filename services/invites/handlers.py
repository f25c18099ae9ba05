"""Bus in: the commands of inviters, and the accounts that are opened elsewhere."""

from chassis.announcements import EventReader
from chassis.commands import CommandReader, IncomingCommand
from chassis.service import Application, read_or_reject
from chassis.sqs import SQSMessage
from contracts.invites import InviteCommand, InviteEvent, RegisterInviter
from contracts.referrals import AccountOpened
from invites.state import Stream


def listen(application: Application[Stream, InviteCommand, InviteEvent]) -> None:
    commands = CommandReader[InviteCommand](InviteCommand)
    accounts = EventReader[AccountOpened](AccountOpened)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        await application.handler.handle(read_or_reject(commands.read, message))

    @application.announcements
    async def on_account_opened(message: SQSMessage) -> None:
        opened = read_or_reject(accounts.read, message)
        command = RegisterInviter(member_id=opened.event.member_id, email=opened.event.email)
        await application.handler.handle(
            IncomingCommand(command, opened.metadata, command.body_hash, opened.redelivered)
        )
