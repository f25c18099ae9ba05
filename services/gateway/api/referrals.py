"""Codes and referrals: what members do with theirs, and how a person comes by one."""

import io
import time
from typing import Annotated, Any, Final, Literal

import orjson
import segno
from pydantic import Field

from contracts.messages import CommandOutcome, EmailAddress, Identifier, UnixTime, View
from contracts.referral_code import CodeState, ShownReferralCode, normalise, vanity
from contracts.referrals import (
    MEMBER_CODES,
    REFERRAL_OWNERS,
    REFERRALS,
    CodesView,
    CodeView,
    ConfirmReferral,
    IssueCode,
    ReleaseReferral,
    ReserveReferral,
    RevokeCode,
    RotateCode,
    Uses,
)
from contracts.streams import MEMBERS
from gateway.api.code_guesses import owner_of, read_code
from gateway.http.bodies import Body, Empty
from gateway.http.endpoints import network, own_document, pending
from gateway.http.problems import FieldError, Problem, invalid, not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import RequestContext

PRIVATE: Final = {"Cache-Control": "private, no-cache"}
SVG: Final = "image/svg+xml"
PAGE: Final = 50
ShownState = Literal[
    "reserved", "confirmed", "held", "rejected", "released", "expired", "reversed"
]  # fmt: skip
_SHOWN_STATES: Final[dict[str, str]] = {"delayed": "held"}
"""For the two who are concerned, a delay is a kind of hold."""


class NewCode(Body):
    kind: Literal["random", "vanity"] = "random"
    code: Annotated[str, Field(max_length=32)] | None = None
    """The name, for a vanity code."""
    max_uses: Uses | None = None
    expires_at: UnixTime | None = None


class OwnCode(View):
    """A code of the caller's."""

    code: ShownReferralCode
    kind: Literal["random", "vanity"]
    uses: int
    max_uses: int | None
    expires_at: UnixTime | None
    state: CodeState
    url: str


class OwnCodes(View):
    items: tuple[OwnCode, ...]
    remaining: int
    """How many more people the caller can refer, by all codes together."""


class NewUse(Body):
    referral_code: Annotated[str, Field(max_length=64)]
    user: EmailAddress


class ReservedUse(View):
    """A seat that is held for a person."""

    use_id: Identifier
    state: Literal["reserved"] = "reserved"
    expires_at: UnixTime


class Confirmation(Body):
    sub: Identifier | None = None
    """For programs: who has signed up. A person confirms for itself."""


class ConfirmedUse(View):
    state: Literal["confirmed", "held", "rejected"]


class OwnUse(View):
    """A person who came, or may come, by the caller's code."""

    use_id: Identifier
    invited_user: str
    """Masked."""
    state: ShownState
    timestamp: UnixTime
    """When it came to this state."""
    expires_at: UnixTime | None = None


class OwnUses(View):
    items: tuple[OwnUse, ...]
    next: str | None = None


class UsesQuery(Body):
    state: (
        Annotated[
            ShownState, Field(description="Only those in this state; a delay is shown as held.")
        ]
        | None
    ) = None
    cursor: Annotated[str, Field(pattern=r"^\d{1,6}$")] | None = None


# Codes


async def list_codes(context: RequestContext) -> Response:
    view = await _codes(context)
    now = time.time()
    items = tuple(own_code(context, view, each, now) for each in view.codes)
    answer = OwnCodes(items=items, remaining=view.remaining)
    return Response(200, answer.model_dump_json().encode(), PRIVATE)


def issue_code(context: RequestContext, body: NewCode) -> IssueCode:
    name, shown = None, None
    if body.kind == "vanity":
        try:
            name, shown = vanity(body.code or "")
        except ValueError as error:
            raise invalid([FieldError("code", str(error))]) from error
    elif body.code is not None:
        raise invalid([FieldError("code", "only a vanity code has a name: kind must be vanity")])
    return IssueCode(
        member_id=context.caller.subject,
        kind=body.kind,
        code=name,
        shown=shown,
        max_uses=body.max_uses,
        expires_at=body.expires_at,
    )


async def tell_newest_code(
    context: RequestContext, command: IssueCode | RotateCode, outcome: CommandOutcome
) -> Response:
    document = await context.parts.referrals.document(MEMBER_CODES, command.stream)
    view = None if document is None else CodesView.model_validate_json(document.body)
    code = None if view is None else _issued(view, command, outcome)
    if view is None or code is None:
        return pending(context, outcome.command_id)
    own = own_code(context, view, code, time.time())
    status = 201 if isinstance(command, IssueCode) else 200
    return Response(status, own.model_dump_json().encode())


def rotate_code(context: RequestContext, _body: Empty) -> RotateCode:
    return RotateCode(member_id=context.caller.subject, code=_code_in_path(context))


def revoke_code(context: RequestContext, _body: Empty) -> RevokeCode:
    return RevokeCode(member_id=context.caller.subject, code=_code_in_path(context))


async def tell_done(_call: RequestContext, _command: object, _outcome: CommandOutcome) -> Response:
    return Response(204)


async def show_qr(context: RequestContext) -> Response:
    wanted, view = _code_in_path(context), await _codes(context)
    if (found := view.find(wanted)) is None:
        raise _no_code()
    picture = io.BytesIO()
    # error correction M: a print with a smudge can still be read
    code = segno.make(_url(context, found.shown), error="m", micro=False)
    code.save(picture, kind="svg", scale=8, title="Referral code", xmldecl=False)
    return Response(200, picture.getvalue(), {"Cache-Control": "private, max-age=3600"}, SVG)


# Uses


async def use_code(context: RequestContext, body: NewUse) -> ReserveReferral:
    code = read_code(body.referral_code)
    return ReserveReferral(
        member_id=await owner_of(context, code),
        code=code,
        invited_user=body.user,
        network=network(context),
    )


async def tell_reserved(
    context: RequestContext, command: ReserveReferral, outcome: CommandOutcome
) -> Response:
    use = await _use(context, command.stream, command.use_id)
    if use is None:
        return pending(context, outcome.command_id)
    answer = ReservedUse(use_id=command.use_id, expires_at=use["expiresAt"])
    location = {"Location": f"/v1/referral/uses/{command.use_id}/confirm"}
    return Response(201, answer.model_dump_json().encode(), location)


async def confirm_use(context: RequestContext, body: Confirmation) -> ConfirmReferral:
    """The verified address of a person's ID token must be the invited one."""
    caller, use_id = context.caller, context.request.match_info["use_id"]
    if caller.is_service:
        if body.sub is None:
            raise invalid([FieldError("sub", "a program says who has signed up")])
        owner = await _owner_of_use(context, use_id)
        return ConfirmReferral(member_id=owner, use_id=use_id, invited_id=body.sub)
    if body.sub not in (None, caller.subject):
        raise invalid([FieldError("sub", "a person confirms for itself only: leave it out")])
    if caller.email is None:
        raise Problem(409, "email_not_verified", "Verify your e-mail address, then sign in again.")
    return ConfirmReferral(
        member_id=await _owner_of_use(context, use_id),
        use_id=use_id,
        invited_id=caller.subject,
        invited_user=caller.email,
        network=network(context),
    )


async def tell_confirmed(
    context: RequestContext, command: ConfirmReferral, outcome: CommandOutcome
) -> Response:
    use = await _use(context, command.stream, command.use_id)
    if use is None or use["state"] == "reserved":
        return pending(context, outcome.command_id)
    state = _SHOWN_STATES.get(use["state"], use["state"])
    if state not in ("confirmed", "held"):
        state = "rejected"
    return Response(200, ConfirmedUse(state=state).model_dump_json().encode())


async def release_use(context: RequestContext, _body: Empty) -> ReleaseReferral:
    use_id = context.request.match_info["use_id"]
    return ReleaseReferral(member_id=await _owner_of_use(context, use_id), use_id=use_id)


async def list_uses(context: RequestContext) -> Response:
    """The newest first."""
    query = read_query(context, UsesQuery)
    document = await own_document(context, REFERRALS)
    uses = [] if document is None else orjson.loads(document.body)["uses"]
    rows = [_own_use(use) for use in uses]
    if query.state is not None:
        rows = [row for row in rows if row.state == query.state]
    items, following = page_back(rows, query.cursor, PAGE)
    answer = OwnUses(items=tuple(items), next=following)
    return Response(200, answer.model_dump_json().encode(), PRIVATE)


def page_back(rows: list[Any], cursor: str | None, size: int) -> tuple[list[Any], str | None]:
    """The newest of what is older than the cursor; rows are only added, so that it stays put."""
    end = min(int(cursor), len(rows)) if cursor is not None else len(rows)
    start = max(0, end - size)
    return rows[start:end][::-1], str(start) if start else None


async def _codes(context: RequestContext) -> CodesView:
    document = await own_document(context, MEMBER_CODES)
    view = None if document is None else CodesView.model_validate_json(document.body)
    if view is None or not view.opened:
        raise not_found("You have no account yet.", code="no_account")
    return view


def own_code(context: RequestContext, view: CodesView, code: CodeView, now: float) -> OwnCode:
    return OwnCode(
        code=code.shown,
        kind=code.kind,
        uses=code.uses,
        max_uses=code.max_uses,
        expires_at=code.expires_at,
        state=view.state_of(code, now),
        url=_url(context, code.shown),
    )


def _issued(
    view: CodesView, command: IssueCode | RotateCode, outcome: CommandOutcome
) -> CodeView | None:
    """What this command has issued, as far as the view shows it."""
    if isinstance(command, IssueCode):
        version = outcome.position.version
        return next((each for each in view.codes if each.issued_version == version), None)
    rotated = view.find(command.code)
    replacement = None if rotated is None else rotated.replaced_by
    return None if replacement is None else view.find(replacement)


def _code_in_path(context: RequestContext) -> str:
    """What is no code is nobody's: the same answer as for a stranger's."""
    try:
        return normalise(context.request.match_info["code"])
    except ValueError as error:
        raise _no_code() from error


def _no_code() -> Problem:
    return not_found("You do not have a code like this. Check its spelling and try again.")


def _url(context: RequestContext, shown: str) -> str:
    return context.parts.settings.join_url.format(code=shown)


async def _owner_of_use(context: RequestContext, use_id: str) -> str:
    stream = await context.parts.referrals.entry(REFERRAL_OWNERS, use_id)
    if stream is None:
        raise not_found("There is no such referral. Check its id and try again.")
    return MEMBERS.key(stream)


async def _use(context: RequestContext, stream: str, use_id: str) -> dict[str, Any] | None:
    document = await context.parts.referrals.document(REFERRALS, stream)
    uses = [] if document is None else orjson.loads(document.body)["uses"]
    return next((use for use in uses if use["useId"] == use_id), None)


def _own_use(use: dict[str, Any]) -> OwnUse:
    state = _SHOWN_STATES.get(use["state"], use["state"])
    return OwnUse.model_validate(
        {
            "useId": use["useId"],
            "invitedUser": use["invitedUser"],
            "state": state,
            "timestamp": use["settledAt"] or use["reservedAt"],
            "expiresAt": use["expiresAt"] if state == "reserved" else None,
        }
    )
