"""What is said to and by the invites service: invitations by e-mail."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import (
    Command,
    EmailAddress,
    Event,
    Identifier,
    KnownAddress,
    Personal,
    UnixTime,
    View,
)


class RegisterInviter(Command):
    """Remember who may invite: the reaction to an account that was opened elsewhere."""

    type: Literal["RegisterInviter"] = "RegisterInviter"
    member_id: Identifier
    email: EmailAddress

    @property
    def stream(self) -> str:
        return f"inviter-{self.member_id}"


class SendInvite(Command):
    """Invite a person by e-mail (`send_invite`)."""

    type: Literal["SendInvite"] = "SendInvite"
    inviter_id: Identifier
    email: EmailAddress
    note: Annotated[str, Field(max_length=280), Personal()] = ""

    @property
    def stream(self) -> str:
        return f"inviter-{self.inviter_id}"


InviteCommand = Annotated[RegisterInviter | SendInvite, Field(discriminator="type")]


class InviterRegistered(Event):
    type: Literal["InviterRegistered"] = "InviterRegistered"
    member_id: Identifier
    email: KnownAddress
    registered_at: UnixTime


InviteEvent = InviterRegistered


class InviterView(View):
    """An inviter as the invites service knows it."""

    member_id: Identifier
    registered_at: UnixTime
