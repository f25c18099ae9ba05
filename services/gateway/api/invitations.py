"""Serve invitations by e-mail to their inviters: send, list, show, resend and revoke."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.addresses import digest
from contracts.invites import (
    ADMITTED_INVITES,
    INVITES,
    InviteView,
    Locale,
    Name,
    Note,
    ResendInvite,
    RevokeInvite,
    SendInvite,
)
from contracts.messages import EmailAddress, View
from contracts.rejections import UNKNOWN_INVITATION
from contracts.streams import INVITATIONS, INVITERS
from gateway.api.invited_people import InvitationDetails, describe_invitations
from gateway.api.inviters import Inviters
from gateway.http.bodies import Body, Empty
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.conditional import view_response
from gateway.http.problems import not_found
from gateway.http.requests import id_in_path, read_body, read_query
from gateway.http.responses import Response, accepted_response
from gateway.http.routing import Auth, RequestContext, Route

PAGE: Final = 50
_EXAMPLE: Final = {"invite_id": "0" * 32}


class NewInvitation(Body):
    email: EmailAddress
    note: Note = ""
    """A personal message for the mail."""
    locale: Locale = "en"
    """The language of the mail."""
    name: Name = ""
    """Your name as the mail shows it; default: your masked address."""


class InvitationList(View):
    items: tuple[InvitationDetails, ...]
    next: str | None = None
    """Cursor of the next page."""


class InvitationQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,6}$")] | None = None


@dataclass(frozen=True, slots=True)
class Invitations:
    """Serve invitations to the members who send them."""

    commands: Commands
    read_models: ReadModels
    inviters: Inviters

    async def send(self, context: RequestContext) -> Response:
        """Invite a person; the response does not depend on whether the address is a member's."""
        body = await read_body(context, NewInvitation)
        offered = await self.inviters.offered_code(context)
        command = SendInvite(
            inviter_id=context.caller.subject,
            email=body.email,
            note=body.note,
            locale=body.locale,
            name=body.name,
            code=offered.code,
            no_code=offered.none_usable,
        )
        accepted = await self.commands.execute(context, command)
        key = f"{command.inviter_id}/{digest(command.email)}"
        invite_id = await self.read_models.entry(ADMITTED_INVITES, key)
        if invite_id is None:
            return pending_response(context, accepted.command_id)
        return accepted_response(
            context.request_id,
            "Your invitation is on its way.",
            location=f"/v1/invites/{invite_id}",
            invite=invite_id,
        )

    async def list_own(self, context: RequestContext) -> Response:
        """Return the caller's invitations, newest first."""
        first = int(read_query(context, InvitationQuery).cursor or 0)
        page = await own_invitations(self.read_models, context.caller.subject, first)
        return view_response(context, page)

    async def get(self, context: RequestContext) -> Response:
        """Return one of the caller's invitations."""
        invite_id = id_in_path(context, "invite_id", UNKNOWN_INVITATION)
        view = await load_invitation(self.read_models, INVITATIONS.stream(invite_id))
        if view is None or view.inviter_id != context.caller.subject:
            raise not_found("You have no such invitation.")
        (details,) = await describe_invitations(self.read_models, [view])
        return view_response(context, details)

    async def resend(self, context: RequestContext) -> Response:
        """Send the mail again with a new token; the old token stops working."""
        await read_body(context, Empty)
        invite_id = id_in_path(context, "invite_id", UNKNOWN_INVITATION)
        command = ResendInvite(invite_id=invite_id, inviter_id=context.caller.subject)
        await self.commands.execute(context, command)
        return accepted_response(
            context.request_id,
            "Your invitation is on its way again.",
            location=f"/v1/invites/{invite_id}",
        )

    async def revoke(self, context: RequestContext) -> Response:
        """Take an invitation back: its token stops working."""
        await read_body(context, Empty)
        invite_id = id_in_path(context, "invite_id", UNKNOWN_INVITATION)
        command = RevokeInvite(invite_id=invite_id, inviter_id=context.caller.subject)
        await self.commands.execute(context, command)
        return Response(204)


async def own_invitations(models: ReadModels, own: str, first: int = 0) -> InvitationList:
    """Return a page of a member's invitations, newest first."""
    page = await Boards(models, INVITES).page(INVITERS.stream(own), first=first, limit=PAGE)
    items = await describe_invitations(models, [row.view for row in page.rows])
    after = first + len(items)
    return InvitationList(items=items, next=str(after) if after < page.total else None)


async def load_invitation(read_models: ReadModels, stream: str) -> InviteView | None:
    """Return an invitation by its stream; None if there is none."""
    return await Boards(read_models, INVITES).view(stream)


ROUTES: Final = (
    Route(
        "POST",
        "/v1/invites",
        "send_invite",
        Auth.ACCESS,
        Invitations.send,
        summary="Invite a person by e-mail",
        limits=("writes", "invites"),
        success=202,
        body=NewInvitation,
        example={"email": "bob@example.com", "note": "See you there!"},
        problems=(404, 409),
    ),
    Route(
        "GET",
        "/v1/invites",
        "list_invites",
        Auth.PERSON,
        Invitations.list_own,
        summary="Your invitations and what has happened to them, newest first",
        limits=("reads",),
        query=InvitationQuery,
        conditional=True,
        response=InvitationList,
    ),
    Route(
        "GET",
        "/v1/invites/{invite_id}",
        "get_invite",
        Auth.PERSON,
        Invitations.get,
        summary="One of your invitations, with its timeline",
        limits=("reads",),
        conditional=True,
        example=_EXAMPLE,
        response=InvitationDetails,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/invites/{invite_id}/resend",
        "resend_invite",
        Auth.ACCESS,
        Invitations.resend,
        summary="Send an invitation again with a new token; the old token stops working",
        limits=("writes", "invites"),
        success=202,
        body=Empty,
        example=_EXAMPLE,
        problems=(404, 409),
    ),
    Route(
        "DELETE",
        "/v1/invites/{invite_id}",
        "revoke_invite",
        Auth.ACCESS,
        Invitations.revoke,
        summary="Take an invitation back",
        limits=("writes",),
        success=204,
        example=_EXAMPLE,
        problems=(404, 409),
    ),
)
