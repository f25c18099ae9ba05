"""Serve invitations in bulk: up to 200 people per request, as JSON or CSV."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from chassis.views.read_models import ReadModels
from contracts.invites import BULK_RESULTS, MAX_BULK, BulkResult, InviteRow, Name, SendInvites
from contracts.messages import Identifier, View
from gateway.api.invitations import usable_code
from gateway.http.bodies import Body
from gateway.http.command_responses import pending_response
from gateway.http.commands import Commands
from gateway.http.ids import new_command_id
from gateway.http.own_documents import OwnDocuments
from gateway.http.preferences import idempotency_key
from gateway.http.problems import FieldError, invalid, malformed
from gateway.http.requests import read_body
from gateway.http.responses import Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

CSV: Final = "text/csv"
MAX_CELL: Final = 1_000
_COLUMNS: Final = ("email", "note", "locale")

Cell = Annotated[str, Field(max_length=MAX_CELL)]


class NewRow(Body):
    """One person to invite. Rows are checked one by one: a bad one does not affect the others."""

    email: Cell
    note: Cell = ""
    locale: Cell = "en"


class NewInvitations(Body):
    rows: Annotated[list[NewRow], Field(min_length=1, max_length=MAX_BULK)]
    name: Name = ""
    """Your name as the mails show it; default: your masked address."""


class RejectedRow(View):
    """A row for which no invitation is sent, and why."""

    row: int
    """Number of the row, from 1; the line of column names does not count."""
    code: Literal[
        "invalid_email", "invalid_note", "invalid_locale",
        "already_invited", "own_address", "too_many_active", "too_many_today",
    ]  # fmt: skip


class BulkInvitation(View):
    """The result of a bulk request."""

    job_id: Identifier
    accepted: int
    """Number of invitations that are being sent."""
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True, slots=True)
class BulkInvitations:
    """Invite many people at once; each row has its own result."""

    commands: Commands
    read_models: ReadModels
    own_documents: OwnDocuments

    async def send(self, context: RequestContext) -> Response:
        """Invite the people in all valid rows."""
        body = await _read(context)
        rows, rejected = _checked(body.rows)
        if not rows:
            raise invalid([FieldError(f"rows.{each.row}", each.code) for each in rejected])
        command = SendInvites(
            inviter_id=context.caller.subject,
            job_id=_job_id(context, body),
            rows=rows,
            name=body.name,
            code=await usable_code(self.own_documents, context),
        )
        accepted = await self.commands.execute(context, command)
        stored = await self.read_models.entry(BULK_RESULTS, command.job_id)
        if stored is None:
            return pending_response(context, accepted.command_id)
        result = BulkResult.model_validate_json(stored)
        rejected += [RejectedRow(row=each.row, code=each.code) for each in result.rejected]
        bulk = BulkInvitation(
            job_id=command.job_id,
            accepted=result.accepted,
            rejected=tuple(sorted(rejected, key=lambda each: each.row)),
        )
        return json_response(bulk, 202, {"Location": "/v1/invites"})


async def _read(context: RequestContext) -> NewInvitations:
    if context.request.content_type != CSV:
        return await read_body(context, NewInvitations)
    return NewInvitations(rows=_parse_csv(context.body))


def _job_id(context: RequestContext, body: NewInvitations) -> str:
    """Return an id that a repetition of the request under the same Idempotency-Key gets as well."""
    key = idempotency_key(context.request) or new_command_id()
    name = f"{context.caller.subject}\n{key}\n{body.model_dump_json()}"
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _checked(rows: Sequence[NewRow]) -> tuple[tuple[InviteRow, ...], list[RejectedRow]]:
    """Return the valid rows, and the others with what is wrong."""
    valid: list[InviteRow] = []
    rejected: list[RejectedRow] = []
    for number, row in enumerate(rows, start=1):
        try:
            valid.append(InviteRow(row=number, **row.model_dump()))
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            code = {"row": number, "code": f"invalid_{field}"}
            rejected.append(RejectedRow.model_validate(code))
    return tuple(valid), rejected


def _parse_csv(raw: bytes) -> list[NewRow]:
    """Parse rows below a line of column names: `email`, optionally `note` and `locale`."""
    try:
        text = raw.decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        columns = [str(name).strip().lower() for name in table.fieldnames or ()]
        if "email" not in columns or not set(columns) <= set(_COLUMNS):
            detail = "Name the columns email and, if you use them, note and locale."
            raise invalid([FieldError("headings", detail)])
        table.fieldnames = columns
        lines = list(table)
    except UnicodeError as error:
        raise malformed("The file is not UTF-8 text.") from error
    except csv.Error as error:
        raise malformed(f"The file is not CSV: {error}.") from error
    if not 1 <= len(lines) <= MAX_BULK:
        raise invalid([FieldError("rows", f"Send between 1 and {MAX_BULK} rows.")])
    return [_parse_line(number, line) for number, line in enumerate(lines, start=1)]


def _parse_line(number: int, line: dict[str | None, str | None]) -> NewRow:
    if None in line or None in line.values():
        detail = "This row does not have as many cells as there are columns."
        raise invalid([FieldError(f"rows.{number}", detail)])
    cells = {str(name): (value or "").strip()[:MAX_CELL] for name, value in line.items()}
    if not cells.get("locale"):
        cells.pop("locale", None)
    return NewRow(**cells)


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
        example={"rows": [{"email": "bob@example.com"}]},
        alternatives={CSV: "email,note,locale\nbob@example.com,See you there!,en\n"},
        response=BulkInvitation,
        problems=(404, 409),
    ),
)
