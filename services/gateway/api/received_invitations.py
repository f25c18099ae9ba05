"""Serve invitations to the people who hold their tokens: look up, accept, decline, unsubscribe.

Tokens travel in request bodies, which no log records. The exception is the token in
`List-Unsubscribe`, which can only unsubscribe. GET and HEAD change nothing, because mail scanners
follow every link.
"""

import time
from dataclasses import dataclass
from html import escape
from typing import Final

from chassis.views.read_models import ReadModels
from contracts.addresses import masked
from contracts.invites import (
    INVITE_TOKENS,
    UNSUBSCRIBE_TOKENS,
    AcceptInvite,
    DeclineInvite,
    InviteState,
    InviteView,
    Unsubscribe,
)
from contracts.messages import Identifier, UnixTime, View
from contracts.read_models import IndexRef
from contracts.referral_code import shown
from contracts.rejections import (
    INVITATION_EXPIRED,
    INVITATION_REPLACED,
    INVITATION_REVOKED,
    UNKNOWN_INVITATION,
)
from contracts.streams import INVITATIONS
from contracts.tokens import token_digest
from gateway.api.invitation_seats import InvitationSeats, Token
from gateway.api.invitations import load_invitation
from gateway.api.unsubscribe_words import UNSUBSCRIBE_WORDS
from gateway.http.bodies import Body
from gateway.http.command_responses import repeat_later
from gateway.http.commands import Commands
from gateway.http.languages import language_of
from gateway.http.pages import HTML, PAGES_PATH, page_response
from gateway.http.problems import Problem, not_found
from gateway.http.requests import read_body
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

_EXAMPLE: Final = {"token": "A" * 43}


class InvitationToken(Body):
    token: Token
    """The token from the link in the mail."""


class ReceivedInvitation(View):
    """What an invitation says to the person who received it."""

    inviter: str
    """The name that the inviter gave, or the masked address."""
    state: InviteState
    expires_at: UnixTime
    referral_code: str | None
    invited: str
    """The masked address that was invited: only a person with this address can take the seat."""


class AcceptedInvitation(View):
    use_id: Identifier | None
    """The reserved seat, to be confirmed after sign-up; null without a code."""
    invited: str
    """The masked address that was invited: sign up with this address."""


@dataclass(frozen=True, slots=True)
class ReceivedInvitations:
    """Serve invitations to anyone who holds a token."""

    commands: Commands
    read_models: ReadModels
    seats: InvitationSeats

    async def look_up(self, context: RequestContext) -> Response:
        """Return what an invitation says, without changing anything."""
        body = await read_body(context, InvitationToken)
        stream = await self._stream(INVITE_TOKENS, body.token)
        view = await load_invitation(self.read_models, stream)
        if view is None:
            raise _unknown()
        _check_open(view, body.token)
        invitation = ReceivedInvitation(
            inviter=view.inviter,
            state="sent" if view.state == "requested" else view.state,
            expires_at=view.expires_at,
            referral_code=shown(view.code) if view.code else None,
            invited=masked(view.email),
        )
        return json_response(invitation)

    async def accept(self, context: RequestContext) -> Response:
        """Accept an invitation, which reserves a seat with the inviter; wait for the seat."""
        body = await read_body(context, InvitationToken)
        stream = await self._stream(INVITE_TOKENS, body.token)
        command = AcceptInvite(
            invite_id=INVITATIONS.key(stream), token_hash=token_digest(body.token)
        )
        await self.commands.execute(context, command)
        accepted = await self.seats.find(context, command.stream)
        if accepted is None:
            return repeat_later(context)
        return json_response(
            AcceptedInvitation(use_id=accepted.use_id, invited=masked(accepted.view.email))
        )

    async def decline(self, context: RequestContext) -> Response:
        """Decline an invitation; its inviter cannot invite this address again."""
        body = await read_body(context, InvitationToken)
        stream = await self._stream(INVITE_TOKENS, body.token)
        command = DeclineInvite(
            invite_id=INVITATIONS.key(stream), token_hash=token_digest(body.token)
        )
        await self.commands.execute(context, command)
        return Response(204)

    async def unsubscribe(self, context: RequestContext) -> Response:
        """Stop all invitations to the address of a token.

        Mail programs send `List-Unsubscribe=One-Click` as a form; the body is ignored.
        """
        token = context.request.match_info["token"]
        stream = await self._stream(UNSUBSCRIBE_TOKENS, token)
        command = Unsubscribe(invite_id=INVITATIONS.key(stream), token_hash=token_digest(token))
        await self.commands.execute(context, command)
        language = language_of(context.request)
        say = UNSUBSCRIBE_WORDS[language]
        link = f'<p><a href="{PAGES_PATH}">{say.back}</a></p>'
        return page_response(say.done, link, language=language)

    async def show_unsubscribe(self, context: RequestContext) -> Response:
        """Return a page with a button; the page is the same for every token."""
        action = escape(context.request.path, quote=True)
        language = language_of(context.request)
        say = UNSUBSCRIBE_WORDS[language]
        button = f'<form method="post" action="{action}"><button>{say.button}</button></form>'
        return page_response(say.question, button, language=language)

    async def _stream(self, index: IndexRef, token: str) -> str:
        """Return the stream of the invitation that a token belongs to.

        Raises:
            Problem: 404 for an unknown token.
        """
        stream = await self.read_models.entry(index, token_digest(token))
        if stream is None:
            raise _unknown()
        return stream


def _check_open(view: InviteView, token: str) -> None:
    """Check that the token's invitation can still be read.

    Raises:
        Problem: 410.
    """
    if view.token_hash != token_digest(token):
        raise Problem(410, "token_replaced", INVITATION_REPLACED)
    if view.state == "revoked":
        raise Problem(410, "invite_revoked", INVITATION_REVOKED)
    lapsed = view.expires_at <= time.time() and view.state not in ("accepted", "declined")
    if view.state == "expired" or lapsed:
        raise Problem(410, "invite_expired", INVITATION_EXPIRED)


def _unknown() -> Problem:
    return not_found(UNKNOWN_INVITATION)


ROUTES: Final = (
    Route(
        "POST",
        "/v1/invites/lookup",
        "look_up_invite",
        Auth.OPTIONAL,
        ReceivedInvitations.look_up,
        summary="What an invitation says, for the holder of its token; changes nothing",
        limits=("invite-lookups",),
        body=InvitationToken,
        example=_EXAMPLE,
        response=ReceivedInvitation,
        direct=True,
        problems=(404, 410),
    ),
    Route(
        "POST",
        "/v1/invites/accept",
        "accept_invite",
        Auth.OPTIONAL,
        ReceivedInvitations.accept,
        summary="Accept an invitation and reserve a seat with the inviter",
        limits=("invite-accepts",),
        body=InvitationToken,
        example=_EXAMPLE,
        response=AcceptedInvitation,
        problems=(404, 409, 410),
    ),
    Route(
        "POST",
        "/v1/invites/decline",
        "decline_invite",
        Auth.OPTIONAL,
        ReceivedInvitations.decline,
        summary="Decline an invitation; this inviter cannot invite you again",
        limits=("invite-declines",),
        success=204,
        body=InvitationToken,
        example=_EXAMPLE,
        problems=(404, 409, 410),
    ),
    Route(
        "GET",
        "/v1/unsubscribe/{token}",
        "show_unsubscribe",
        Auth.PUBLIC,
        ReceivedInvitations.show_unsubscribe,
        summary="A page with a button to unsubscribe; changes nothing by itself",
        limits=("unsubscribe-pages",),
        media=HTML,
        ignores_query=True,
        example=_EXAMPLE,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/unsubscribe/{token}",
        "unsubscribe",
        Auth.PUBLIC,
        ReceivedInvitations.unsubscribe,
        summary="Stop all invitations to this address (one click, RFC 8058)",
        limits=("unsubscribes",),
        media=HTML,
        ignores_query=True,
        example=_EXAMPLE,
        problems=(404,),
    ),
)
