"""Read the rows of a bulk request, from JSON or a CSV file: each row is judged by itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

from aiohttp import hdrs
from pydantic import Field, SkipValidation, ValidationError

from contracts.invites import MAX_BULK, InviteRow, Locale, Name, Note, RowCode
from contracts.messages import EmailAddress, View
from gateway.http.bodies import Body
from gateway.http.csv_files import FILE_TYPES, FORM, UnevenRow, read_sheet
from gateway.http.problems import FieldError, Problem, invalid, malformed
from gateway.http.requests import JSON_TYPES, read_body
from gateway.http.routing import RequestContext

COLUMNS: Final = ("email", "note", "locale")
InvalidRow = Literal["invalid_email", "invalid_note", "invalid_locale", "invalid_row"]
_WORDS: Final[Mapping[str, str]] = {
    "invalid_email": "This is not an e-mail address that mail can be sent to.",
    "invalid_note": "A note has up to 280 visible characters and line breaks.",
    "invalid_locale": "The locale is a language such as en or de-AT.",
    "invalid_row": "A row consists of email and, if you use them, note and locale.",
}


class NewRow(Body):
    """One person to invite. Rows are checked one by one: a bad one does not affect the others."""

    email: EmailAddress
    note: Note = ""
    locale: Locale = "en"


class NewInvitations(Body):
    rows: Annotated[list[SkipValidation[NewRow]], Field(min_length=1, max_length=MAX_BULK)]
    name: Name = ""
    """Your name as the mails show it; default: your masked address."""


class RejectedRow(View):
    """A row for which no invitation is sent, and why."""

    row: int
    """Number of the row, from 1. The line of column names and empty lines do not count."""
    code: InvalidRow | RowCode


@dataclass(frozen=True, slots=True)
class BulkRows:
    """Hold the rows of one request."""

    rows: Sequence[object]
    """As they were sent: objects, or what cannot be a row."""
    name: str

    @property
    def canonical(self) -> bytes:
        """A text that is the same for repetitions of the request."""
        rows = [_with_defaults(row) if isinstance(row, dict) else row for row in self.rows]
        content = {"rows": rows, "name": self.name}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

    def checked(self) -> tuple[tuple[InviteRow, ...], list[RejectedRow]]:
        """Return the valid rows, and the others with what is wrong.

        Raises:
            Problem: 422 if no row is valid.
        """
        valid: list[InviteRow] = []
        rejected: list[RejectedRow] = []
        for number, row in enumerate(self.rows, start=1):
            match _checked(number, row):
                case InviteRow() as invited:
                    valid.append(invited)
                case code:
                    rejected.append(RejectedRow(row=number, code=code))
        if not valid:
            raise _no_valid_row(rejected)
        return tuple(valid), rejected


async def read_rows(context: RequestContext) -> BulkRows:
    """Return the rows of the request body, at least one and at most `MAX_BULK`.

    Raises:
        Problem: 400 for a body of another type, or one that cannot be read; 422 for other columns,
            unknown members, or too few or too many rows.
    """
    kind = context.request.content_type
    if kind in JSON_TYPES:
        body = await read_body(context, NewInvitations)
        return BulkRows(body.rows, body.name)
    if kind not in (*FILE_TYPES, FORM):
        detail = (
            "Send the rows as JSON (Content-Type: application/json), or a CSV file (text/csv, or "
            "in a form as multipart/form-data)."
        )
        raise malformed(detail, code="unsupported_content_type")
    header = context.request.headers.get(hdrs.CONTENT_TYPE, "")
    sheet = read_sheet(context.body, header, COLUMNS, "email")
    if not 1 <= len(sheet.rows) <= MAX_BULK:
        raise invalid([FieldError("rows", f"Send between 1 and {MAX_BULK} rows.")])
    return BulkRows([_from_cells(row) for row in sheet.rows], "")


def _from_cells(row: Mapping[str, str] | UnevenRow) -> object:
    """Return a row of a file like one of JSON: an empty cell is a member that is left out."""
    if isinstance(row, UnevenRow):
        return None
    return {name: cell for name, cell in row.items() if cell or name == "email"}


def _with_defaults(row: Mapping[str, object]) -> Mapping[str, object]:
    return {"email": None, "note": "", "locale": "en", **row}


def _checked(number: int, row: object) -> InviteRow | InvalidRow:
    if not isinstance(row, dict) or not row.keys() <= set(COLUMNS):
        return "invalid_row"
    try:
        return InviteRow.model_validate({**row, "row": number})
    except ValidationError as error:
        code = f"invalid_{error.errors()[0]['loc'][0]}"
        return next(known for known in get_args(InvalidRow) if known == code)


def _no_valid_row(rejected: Sequence[RejectedRow]) -> Problem:
    return invalid([FieldError(f"rows.{each.row}", _WORDS[each.code]) for each in rejected])
