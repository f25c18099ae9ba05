"""Serve invitations in bulk: up to 200 people per request, as JSON or CSV."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.invites import BULK_RESULTS, BulkResult, SendInvites
from contracts.messages import Identifier, View
from gateway.api.bulk_rows import BulkRows, NewInvitations, RejectedRow, read_rows
from gateway.api.inviters import Inviters
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.ids import new_command_id
from gateway.http.preferences import idempotency_key
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

CSV: Final = "text/csv"
MAX_BYTES: Final = 2_097_152
"""Twice the size of 200 rows with full notes in the longest spelling, as escaped JSON."""


class BulkInvitation(View):
    """The result of a bulk request, with the members of every response of status 202."""

    status_code: Annotated[Literal[202], Field(alias="status_code")]
    detail: str
    code: Literal["accepted"]
    request_id: Annotated[str, Field(alias="request_id")]
    job_id: Identifier
    accepted: int
    """Number of invitations that are being sent."""
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True, slots=True)
class BulkInvitations:
    """Invite many people at once; each row has its own result."""

    commands: Commands
    read_models: ReadModels
    inviters: Inviters

    async def send(self, context: RequestContext) -> Response:
        """Invite the people in all valid rows."""
        body = await read_rows(context)
        rows, rejected = body.checked()
        offered = await self.inviters.offered_code(context)
        command = SendInvites(
            inviter_id=context.caller.subject,
            job_id=_job_id(context, body),
            rows=rows,
            name=body.name,
            code=offered.code,
            no_code=offered.none_usable,
        )
        accepted = await self.commands.execute(context, command)
        stored = await self.read_models.entry(BULK_RESULTS, command.job_id)
        if stored is None:
            return pending_response(context, accepted.command_id)
        result = BulkResult.model_validate_json(stored)
        rejected += [RejectedRow(row=each.row, code=each.code) for each in result.rejected]
        bulk = BulkInvitation(
            status_code=202,
            code="accepted",
            detail=_detail(result.accepted, len(rejected)),
            request_id=context.request_id,
            job_id=command.job_id,
            accepted=result.accepted,
            rejected=tuple(sorted(rejected, key=lambda each: each.row)),
        )
        return json_response(bulk, 202, {"Location": "/v1/invites"})


def _job_id(context: RequestContext, body: BulkRows) -> str:
    """Return an id that a repetition of the request under the same Idempotency-Key gets as well."""
    key = idempotency_key(context.request) or new_command_id()
    name = f"{context.caller.subject}\n{key}\n".encode() + body.canonical
    return hashlib.sha256(name).hexdigest()[:32]


async def _canonical_body(context: RequestContext) -> bytes:
    """Return the rows: two forms with one file differ in their boundaries."""
    return (await read_rows(context)).canonical


def _detail(accepted: int, rejected: int) -> str:
    """Return what becomes of the rows, in words for the inviter."""
    people = "1 invitation is" if accepted == 1 else f"{accepted} invitations are"
    if not rejected:
        return f"{people} on the way."
    return f"{people} on the way, {rejected} of your rows got none: see the list of rejected rows."


ROUTES: Final = (
    Route(
        "POST",
        "/v1/invites/bulk",
        "send_invites",
        Auth.ACCESS,
        BulkInvitations.send,
        summary="Invite up to 200 people, as JSON or CSV; each row has its own result",
        limits=("writes", "invite-bulks"),
        success=202,
        body=NewInvitations,
        max_body_bytes=MAX_BYTES,
        canonical_body=_canonical_body,
        example={"rows": [{"email": "bob@example.com"}]},
        alternatives={CSV: "email,note,locale\nbob@example.com,See you there!,en\n"},
        response=BulkInvitation,
        problems=(404, 409),
    ),
)
