"""Bus in: the commands that members' streams decide on, and what one stream tells another."""

from typing import Annotated, assert_never

from pydantic import Field

from chassis.bus.announcements import EventReader
from chassis.bus.commands import CommandReader, IncomingCommand
from chassis.run.service import Application, read_or_reject
from contracts.referrals import (
    CodeBrought,
    CreditReferred,
    RedeemReferral,
    ReferralCommand,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReversed,
    WithdrawCredit,
)
from faststream_sqs import SQSMessage
from referrals.domain import State

Heard = CodeBrought | ReferralConfirmed | ReferralReversed
HEARD = Annotated[Heard, Field(discriminator="type")]


def listen(application: Application[State, ReferralCommand, ReferralEvent]) -> None:
    commands = CommandReader[ReferralCommand](ReferralCommand)
    events = EventReader[Heard](HEARD)

    @application.commands
    async def on_command(message: SQSMessage) -> None:
        await application.handler.handle(read_or_reject(commands.read, message))

    @application.announcements
    async def on_own_event(message: SQSMessage) -> None:
        heard = read_or_reject(events.read, message)
        command = reaction(heard.event)
        await application.handler.handle(
            IncomingCommand(command, heard.metadata, command.body_hash, heard.redelivered)
        )


def reaction(event: Heard) -> RedeemReferral | CreditReferred | WithdrawCredit:
    """What a fact on one member's stream means for another member's."""
    match event:
        case CodeBrought():
            return RedeemReferral(
                member_id=event.referrer_id,
                code=event.code,
                invited_user=event.email,
                invited_id=event.member_id,
                network=event.network,
            )
        case ReferralConfirmed():
            return CreditReferred(
                member_id=event.invited_id, referrer_id=event.member_id, use_id=event.use_id
            )
        case ReferralReversed():
            return WithdrawCredit(member_id=event.invited_id, use_id=event.use_id)
        case _:
            assert_never(event)
