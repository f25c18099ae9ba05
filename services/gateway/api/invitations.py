"""Invitations by e-mail: what inviters send and see, and what the holder of a token answers.

Tokens come in bodies only, but for the one in `List-Unsubscribe`, which can do nothing else.
Nothing changes by GET or HEAD: mail scanners follow every link.
"""

import csv
import hashlib
import io
import time
from html import escape
from typing import Annotated, Any, ClassVar, Final, Literal

import orjson
from pydantic import Field, ValidationError

from chassis.views.boards import Boards
from contracts.addresses import digest
from contracts.invites import (
    ADMITTED_INVITES,
    BULK_RESULTS,
    INVITE_TOKENS,
    INVITES,
    MAX_BULK,
    UNSUBSCRIBE_TOKENS,
    AcceptInvite,
    DeclineInvite,
    Happening,
    InviteRow,
    InviteState,
    Locale,
    Name,
    Note,
    ResendInvite,
    RevokeInvite,
    SendInvite,
    SendInvites,
    Unsubscribe,
)
from contracts.messages import CommandOutcome, EmailAddress, Identifier, UnixTime, View
from contracts.read_models import IndexRef
from contracts.referral_code import shown
from contracts.referrals import MEMBER_CODES, CodesView, use_id
from contracts.streams import INVITATIONS
from contracts.tokens import token_digest
from gateway.http.bodies import Body, Empty
from gateway.http.endpoints import own_document, pending
from gateway.http.ids import new_command_id
from gateway.http.preferences import idempotency_key
from gateway.http.problems import FieldError, Problem, invalid, malformed, not_found
from gateway.http.requests import read_body, read_query
from gateway.http.responses import Response, accepted_response
from gateway.http.routing import RequestContext

PRIVATE: Final = {"Cache-Control": "private, no-cache"}
HTML: Final = "text/html"
CSV: Final = "text/csv"
PAGE: Final = 50
_COLUMNS: Final = ("email", "note", "locale")

Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class NewInvite(Body):
    email: EmailAddress
    note: Note = ""
    locale: Locale = "en"
    name: Name = ""
    """How the mail calls you; default: your masked address."""


class NewRow(Body):
    """Looked at row by row: one that cannot be sent does not keep the others."""

    email: Annotated[str, Field(max_length=1_000)]
    note: Annotated[str, Field(max_length=1_000)] = ""
    locale: Annotated[str, Field(max_length=1_000)] = "en"


class NewInvites(Body):
    max_brackets: ClassVar[int] = MAX_BULK + 16
    rows: Annotated[list[NewRow], Field(min_length=1, max_length=MAX_BULK)]
    name: Name = ""


class RejectedRow(View):
    row: int
    """Counted from 1, without the line of headings."""
    code: Literal[
        "invalid_email", "invalid_note", "invalid_locale",
        "already_invited", "own_address", "too_many_active", "too_many_today",
    ]  # fmt: skip


class BulkAnswer(View):
    job_id: Identifier
    accepted: int
    rejected: tuple[RejectedRow, ...]


class OwnInvite(View):
    """An invitation of the caller's, and what became of it."""

    invite_id: Identifier
    email: str
    state: InviteState
    requested_at: UnixTime
    expires_at: UnixTime
    timeline: tuple[Happening, ...]


class OwnInvites(View):
    items: tuple[OwnInvite, ...]
    next: str | None = None


class InvitesQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^\d{1,6}$")] | None = None


class HeldToken(Body):
    token: Token
    """From the link in the mail; it stands in no path and in no log."""


class Invitation(View):
    """What the holder of a token may know before it answers."""

    inviter: str
    """The name that the inviter gave, or the masked address."""
    state: InviteState
    expires_at: UnixTime
    referral_code: str | None


class AcceptedInvite(View):
    use_id: Identifier | None
    """Names the seat that is being reserved: confirm it after sign-up."""


# Inviters


async def send_invite(context: RequestContext, body: NewInvite) -> SendInvite:
    return SendInvite(
        inviter_id=context.caller.subject,
        email=body.email,
        note=body.note,
        locale=body.locale,
        name=body.name,
        code=await _own_code(context),
    )


async def tell_invite(
    context: RequestContext, command: SendInvite, outcome: CommandOutcome
) -> Response:
    """The same for everybody's address: a member's, and one that wants no mail."""
    name = f"{command.inviter_id}/{digest(command.email)}"
    invite_id = await context.parts.invites.entry(ADMITTED_INVITES, name)
    if invite_id is None:
        return pending(context, outcome.command_id)
    location = f"/v1/invites/{invite_id}"
    return accepted_response(
        context.request_id, "Your invitation is on its way.", location=location, invite=invite_id
    )


async def read_bulk(context: RequestContext) -> NewInvites:
    if context.request.content_type != CSV:
        return await read_body(context, NewInvites)
    return NewInvites(rows=_csv_rows(await context.request.read()))


async def send_invites(context: RequestContext, body: NewInvites) -> SendInvites:
    rows, refused = _rows(body)
    if not rows:
        raise invalid([FieldError(f"rows.{each.row}", each.code) for each in refused])
    key = idempotency_key(context.request) or new_command_id()
    name = f"{context.caller.subject}\n{key}\n{body.model_dump_json()}"
    return SendInvites(
        inviter_id=context.caller.subject,
        job_id=hashlib.sha256(name.encode()).hexdigest()[:32],
        rows=rows,
        name=body.name,
        code=await _own_code(context),
    )


async def tell_bulk(
    context: RequestContext, command: SendInvites, outcome: CommandOutcome
) -> Response:
    text = await context.parts.invites.entry(BULK_RESULTS, command.job_id)
    if text is None:
        return pending(context, outcome.command_id)
    told, body = orjson.loads(text), await read_bulk(context)
    refused = [*_rows(body)[1], *(RejectedRow.model_validate(each) for each in told["rejected"])]
    answer = BulkAnswer(
        job_id=command.job_id,
        accepted=told["accepted"],
        rejected=tuple(sorted(refused, key=lambda each: each.row)),
    )
    return Response(202, answer.model_dump_json().encode(), {"Location": "/v1/invites"})


async def list_invites(context: RequestContext) -> Response:
    """The newest first."""
    query = read_query(context, InvitesQuery)
    first = int(query.cursor or 0)
    board = f"inviter-{context.caller.subject}"
    page = await Boards(context.parts.invites, INVITES).page(board, first=first, limit=PAGE)
    items = tuple(_own_invite(orjson.loads(row.entry)) for row in page.rows)
    following = first + len(items)
    answer = OwnInvites(items=items, next=str(following) if following < page.total else None)
    return Response(200, answer.model_dump_json().encode(), PRIVATE)


async def get_invite(context: RequestContext) -> Response:
    view = await _invite(context, f"invite-{context.request.match_info['invite_id']}")
    if view is None or view["inviterId"] != context.caller.subject:
        raise not_found("there is no such invitation among yours")
    return Response(200, _own_invite(view).model_dump_json().encode(), PRIVATE)


def resend_invite(context: RequestContext, _body: Empty) -> ResendInvite:
    return ResendInvite(invite_id=_invite_id(context), inviter_id=context.caller.subject)


async def tell_resent(
    context: RequestContext, command: ResendInvite, _outcome: CommandOutcome
) -> Response:
    location = f"/v1/invites/{command.invite_id}"
    return accepted_response(
        context.request_id, "Your invitation is on its way again.", location=location
    )


def revoke_invite(context: RequestContext, _body: Empty) -> RevokeInvite:
    return RevokeInvite(invite_id=_invite_id(context), inviter_id=context.caller.subject)


# Holders of a token


async def look_up(context: RequestContext) -> Response:
    held = await read_body(context, HeldToken)
    stream = await _stream(context, INVITE_TOKENS, held.token)
    view = await _invite(context, stream)
    if view is None:
        raise _unknown()
    if view["tokenHash"] != token_digest(held.token):
        raise Problem(
            410,
            "token_replaced",
            "A newer mail has replaced this one. Use the link in the latest mail.",
        )
    if view["state"] == "revoked":
        raise Problem(
            410,
            "invite_revoked",
            "This invitation has been withdrawn. Ask the person who invited you for a new one.",
        )
    over = view["expiresAt"] <= time.time() and view["state"] not in ("accepted", "declined")
    if view["state"] == "expired" or over:
        raise Problem(
            410,
            "invite_expired",
            "This invitation has expired. Ask the person who invited you for a new one.",
        )
    answer = Invitation(
        inviter=view["inviter"],
        state="sent" if view["state"] == "requested" else view["state"],
        expires_at=view["expiresAt"],
        referral_code=shown(view["code"]) if view["code"] else None,
    )
    return Response(200, answer.model_dump_json().encode())


async def accept_invite(context: RequestContext, body: HeldToken) -> AcceptInvite:
    stream = await _stream(context, INVITE_TOKENS, body.token)
    return AcceptInvite(invite_id=INVITATIONS.key(stream), token_hash=token_digest(body.token))


async def tell_accepted(
    context: RequestContext, command: AcceptInvite, outcome: CommandOutcome
) -> Response:
    view = await _invite(context, command.stream)
    if view is None:
        return pending(context, outcome.command_id)
    code = view["code"]
    name = use_id(view["inviterId"], code, view["email"]) if code else None
    return Response(200, AcceptedInvite(use_id=name).model_dump_json().encode())


async def decline_invite(context: RequestContext, body: HeldToken) -> DeclineInvite:
    stream = await _stream(context, INVITE_TOKENS, body.token)
    return DeclineInvite(invite_id=INVITATIONS.key(stream), token_hash=token_digest(body.token))


async def read_nothing(context: RequestContext) -> Empty:
    """Mail programs send `List-Unsubscribe=One-Click` as a form; there is nothing else to say."""
    await context.request.read()
    return Empty()


async def unsubscribe(context: RequestContext, _body: Empty) -> Unsubscribe:
    token = context.request.match_info["token"]
    stream = await _stream(context, UNSUBSCRIBE_TOKENS, token)
    return Unsubscribe(invite_id=INVITATIONS.key(stream), token_hash=token_digest(token))


async def tell_unsubscribed(
    _call: RequestContext, _command: Unsubscribe, _outcome: CommandOutcome
) -> Response:
    return Response(200, _page("This address gets no more invitations."), {}, HTML)


async def show_unsubscribe(context: RequestContext) -> Response:
    """A page with a button, whatever the token: looking changes nothing and tells nothing."""
    action = escape(context.request.path, quote=True)
    button = f'<form method="post" action="{action}"><button>No more invitations</button></form>'
    return Response(200, _page("Shall this address get no more invitations?", button), {}, HTML)


def _page(words: str, more: str = "") -> bytes:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Invitations</title>'
        '<meta name="robots" content="noindex"></head>'
        f"<body><p>{escape(words)}</p>{more}</body></html>"
    ).encode()


async def _stream(context: RequestContext, index: IndexRef, token: str) -> str:
    stream = await context.parts.invites.entry(index, token_digest(token))
    if stream is None:
        raise _unknown()
    return stream


def _unknown() -> Problem:
    return not_found("There is no such invitation. Check that the link is complete.")


async def _invite(context: RequestContext, stream: str) -> dict[str, Any] | None:
    entry = await Boards(context.parts.invites, INVITES).entry(stream)
    return None if entry is None else orjson.loads(entry)


def _invite_id(context: RequestContext) -> str:
    name: str = context.request.match_info["invite_id"]
    if not name.isalnum() or not name.isascii():
        raise _unknown()
    return name


def _own_invite(view: dict[str, Any]) -> OwnInvite:
    return OwnInvite.model_validate(view)


async def _own_code(context: RequestContext) -> str | None:
    """The first of the caller's codes that can be used: the seats that the invitation leads to."""
    document = await own_document(context, MEMBER_CODES)
    if document is None:
        return None  # without an account the invitation is refused by its service
    view, now = CodesView.model_validate_json(document.body), time.time()
    for each in view.codes:
        if view.state_of(each, now) == "active":
            return each.code
    raise Problem(409, "no_code", "none of your referral codes can be used; no seat is left")


def _rows(body: NewInvites) -> tuple[tuple[InviteRow, ...], list[RejectedRow]]:
    rows: list[InviteRow] = []
    refused: list[RejectedRow] = []
    for number, row in enumerate(body.rows, start=1):
        try:
            rows.append(InviteRow(row=number, **row.model_dump()))
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            refused.append(RejectedRow.model_validate({"row": number, "code": f"invalid_{field}"}))
    return tuple(rows), refused


def _csv_rows(raw: bytes) -> list[NewRow]:
    """Headings in the first line: `email`, and if wanted `note` and `locale`."""
    try:
        text = raw.decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        headings = [str(name).strip().lower() for name in table.fieldnames or ()]
        if "email" not in headings or not set(headings) <= set(_COLUMNS):
            raise invalid([FieldError("headings", "email, and if wanted note and locale")])
        table.fieldnames = headings
        lines = list(table)
    except UnicodeError as error:
        raise malformed("the file is not UTF-8 text") from error
    except csv.Error as error:
        raise malformed(f"the file is not CSV: {error}") from error
    if not 1 <= len(lines) <= MAX_BULK:
        raise invalid([FieldError("rows", f"between 1 and {MAX_BULK} of them")])
    rows: list[NewRow] = []
    for number, line in enumerate(lines, start=1):
        if None in line or None in line.values():
            raise invalid([FieldError(f"rows.{number}", "has not as many cells as headings")])
        cells = {name: (value or "").strip()[:1_000] for name, value in line.items()}
        if not cells.get("locale"):
            cells.pop("locale", None)
        rows.append(NewRow(**cells))
    return rows
