"""Report to the invites service what became of the seats of accepted invitations."""

from dataclasses import dataclass
from typing import Any

from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import CommandSender, IncomingCommand
from chassis.bus.reactions import metadata_for
from chassis.resilience.outage import retry_through_outage
from contracts.invites import RecordSeat
from contracts.messages import CommandOutcome
from contracts.referrals import ReferralCommand, ReserveReferral


@dataclass(frozen=True, slots=True)
class CommandHandlerWithReports:
    """Handle commands; after a reservation for an invitation, report its outcome.

    The message is deleted after the report was sent. A redelivery sends it again under the same id,
    with the outcome that was stored first.
    """

    handler: CommandHandler[Any, ReferralCommand, Any]
    sender: CommandSender

    async def handle(self, incoming: IncomingCommand[ReferralCommand]) -> None:
        """Handle a command."""
        outcome = await self.handler.handle(incoming)
        command = incoming.command
        if isinstance(command, ReserveReferral) and command.invite_id is not None:
            await self._report(command.invite_id, outcome, incoming)

    async def _report(
        self, invite_id: str, outcome: CommandOutcome, incoming: IncomingCommand[ReferralCommand]
    ) -> None:
        refused = None if outcome.rejection is None else outcome.rejection.code
        command = RecordSeat(invite_id=invite_id, refused=refused)
        metadata = metadata_for(incoming.metadata, 1)
        repeated = incoming.redelivered
        await retry_through_outage(lambda: self.sender.send(command, metadata, repeated=repeated))
