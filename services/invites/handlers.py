"""Handle the commands and events that the invites service receives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from chassis.bus.announcements import IncomingEvent
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import CommandSender, IncomingCommand
from chassis.bus.reactions import reaction
from chassis.resilience.outage import retry_through_outage
from contracts.invites import (
    CloseInvite,
    Ending,
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteCommand,
    InviteComplained,
    InviteDeclined,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    RegisterInviter,
    ReleaseInvitee,
    RequestInvite,
    ReservationWanted,
    SeatRefused,
    SubscribedEvent,
    SuppressAddress,
    TendInvite,
    Unsubscribed,
)
from contracts.messages import Metadata
from contracts.referrals import AccountOpened, ReserveReferral
from invites.mailer import InvitationMailer
from invites.tokens import Tokens

Handler = CommandHandler[Any, InviteCommand, Any]


@dataclass(frozen=True, slots=True)
class CommandHandlerWithMail:
    """Handle commands; after a `TendInvite`, send the mail that has become due."""

    handler: Handler
    mailer: InvitationMailer

    async def handle(self, incoming: IncomingCommand[InviteCommand]) -> None:
        """Handle a command."""
        await self.handler.handle(incoming)
        if isinstance(incoming.command, TendInvite):
            await _send_due(self.mailer, incoming.command.invite_id, incoming.metadata)


@dataclass(frozen=True, slots=True)
class EventHandler:
    """React to events with commands of this service, mails, and requests for referral seats."""

    handler: Handler
    mailer: InvitationMailer
    tokens: Tokens
    sender: CommandSender

    async def handle(self, incoming: IncomingEvent[SubscribedEvent]) -> None:
        """Handle an event."""
        commands = [*commands_for(incoming.event, self.tokens)]
        commands += await self._for_all_spellings(commands, incoming.event)
        await reaction(self.handler, lambda _: commands)(incoming)
        match incoming.event:
            case InviteRequested() | InviteResent() | InviteReminded() as event:
                await _send_due(self.mailer, event.invite_id, incoming.metadata)
            case ReservationWanted() as event:
                await self._request_seat(event, incoming)
            case (
                AccountOpened()
                | InviteAdmitted()
                | InviteAccepted()
                | InviteDeclined()
                | InviteRevoked()
                | InviteExpired()
                | InviteBounced()
                | InviteComplained()
                | Unsubscribed()
                | SeatRefused()
            ):
                pass
            case _ as unknown:
                assert_never(unknown)

    async def _for_all_spellings(
        self, commands: Sequence[InviteCommand], event: SubscribedEvent
    ) -> list[InviteCommand]:
        """Return the suppression of the person, if an event has the key of one spelling only.

        Invitations of earlier versions have such keys, and so have their unsubscribe links.
        """
        if not isinstance(event, InviteBounced | InviteComplained | Unsubscribed):
            return []
        return [
            SuppressAddress(address_key=key, reason=command.reason)
            for command in commands
            if isinstance(command, SuppressAddress)
            and (key := await self.mailer.address_key(event.invite_id)) is not None
            and key != command.address_key
        ]

    async def _request_seat(self, event: ReservationWanted, incoming: IncomingEvent[Any]) -> None:
        command = ReserveReferral(
            member_id=event.inviter_id,
            code=event.code,
            invited_user=event.email,
            verified=True,  # the token was in a mail to this address
            invite_id=event.invite_id,
        )
        ids, repeated = incoming.metadata, incoming.redelivered
        await retry_through_outage(lambda: self.sender.send(command, ids, repeated=repeated))


def commands_for(event: SubscribedEvent, tokens: Tokens) -> list[InviteCommand]:
    """Return the commands to streams of this service that follow from an event."""
    match event:
        case AccountOpened():
            # a member is not invited; callers of the API cannot tell
            return [
                RegisterInviter(member_id=event.member_id, email=event.email),
                SuppressAddress(address_key=tokens.address_key(event.email), reason="member"),
            ]
        case InviteAdmitted():
            return [_request(event, tokens)]
        case InviteAccepted() | InviteDeclined() | InviteRevoked() | InviteExpired():
            return [_close(event)]
        case InviteBounced() | InviteComplained() | Unsubscribed():
            return _suppressions(event)
        case SeatRefused():
            return [
                ReleaseInvitee(
                    inviter_id=event.inviter_id, invite_id=event.invite_id, email=event.email
                )
            ]
        case InviteRequested() | InviteResent() | InviteReminded() | ReservationWanted():
            return []
        case _:
            assert_never(event)


def _request(event: InviteAdmitted, tokens: Tokens) -> RequestInvite:
    return RequestInvite(
        invite_id=event.invite_id,
        inviter_id=event.inviter_id,
        inviter_email=event.inviter_email,
        email=event.email,
        address_key=tokens.address_key(event.email),
        note=event.note,
        locale=event.locale,
        name=event.name,
        code=event.code,
    )


def _close(
    event: InviteAccepted | InviteDeclined | InviteRevoked | InviteExpired,
) -> CloseInvite:
    return CloseInvite(
        inviter_id=event.inviter_id, invite_id=event.invite_id, ending=_ending(event)
    )


def _ending(event: InviteAccepted | InviteDeclined | InviteRevoked | InviteExpired) -> Ending:
    match event:
        case InviteAccepted():
            return "accepted"
        case InviteDeclined():
            return "declined"
        case InviteRevoked():
            return "revoked"
        case InviteExpired():
            return "expired"
        case _:
            assert_never(event)


def _suppressions(
    event: InviteBounced | InviteComplained | Unsubscribed,
) -> list[InviteCommand]:
    match event:
        case InviteBounced():
            if not event.permanent:
                return []
            return [SuppressAddress(address_key=event.address_key, reason="bounce")]
        case InviteComplained():
            return [SuppressAddress(address_key=event.address_key, reason="complaint")]
        case Unsubscribed():
            return [SuppressAddress(address_key=event.address_key, reason="unsubscribe")]
        case _:
            assert_never(event)


async def _send_due(mailer: InvitationMailer, invite_id: str, metadata: Metadata) -> None:
    await retry_through_outage(lambda: mailer.send_due(invite_id, metadata.correlation_id))
