"""Read the rows of a CSV file as spreadsheets write it, from a body or an HTML form (pure)."""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Final

from gateway.http.problems import FieldError, Problem, invalid, malformed, printable

FILE_TYPES: Final = (
    "text/csv",
    "application/csv",
    "application/vnd.ms-excel",  # what browsers on Windows call a .csv file
    "text/tab-separated-values",
    "text/plain",
)
FORM: Final = "multipart/form-data"
_SEPARATORS: Final = (",", ";", "\t")
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx and .xls files begin."""
_CHARSETS: Final = frozenset(
    {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "cp1252", "iso8859-1", "iso8859-15"}
)
"""Python's names of the encodings that a file may be declared in."""

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class UnevenRow:
    """Represent a row that has more or fewer cells than there are columns."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Represent a file: its columns, and its rows that are not empty."""

    columns: Sequence[str]
    """Names in lower case."""
    rows: Sequence[Row | UnevenRow]


def read_sheet(body: bytes, content_type: str, known: Sequence[str], required: str) -> Sheet:
    """Return the rows of a file whose first line names the columns.

    Args:
        body: The file, or a form that contains it.
        content_type: The request's header, with its parameters.
        known: Names of the columns that may occur.
        required: Name of the column that must occur.

    Raises:
        Problem: 400 if it is no CSV file, 422 for other columns. The detail names the remedy.
    """
    declared = _header(content_type)
    if declared.get_content_type() == FORM:
        declared, body = _uploaded(body, content_type)
    text = _decoded(body, declared)
    separator, text = _separator(text, required)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        detail = (
            "The file is not CSV: a cell is not closed, or has text after its closing quotes. "
            "Write quotes in a cell twice."
        )
        raise malformed(detail) from error
    cells = [[cell.strip() for cell in line] for line in lines]
    filled = [line for line in cells if any(line)]
    if not filled:
        raise malformed("The file is empty. Send a line of column names, and the rows below it.")
    columns = _columns(filled[0], known, required)
    return Sheet(columns, [_row(columns, line) for line in filled[1:]])


def _header(content_type: str) -> Message:
    header = Message()
    header["Content-Type"] = content_type
    return header


def _uploaded(body: bytes, content_type: str) -> tuple[Message, bytes]:
    """Return the header and the content of the file in a form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "surrogateescape")
    form = BytesParser().parsebytes(head + body)
    files = [part for part in form.walk() if part.get_filename() is not None]
    if len(files) != 1:
        raise malformed("Send exactly one file in the form, as a CSV file.")
    content = files[0].get_payload(decode=True)
    return files[0], content if isinstance(content, bytes) else b""


def _decoded(body: bytes, declared: Message) -> str:
    if body.startswith(_WORKBOOKS):
        raise malformed('This is an Excel workbook. Save it as "CSV UTF-8", and send that file.')
    charset = _charset(body, declared.get_param("charset"))
    try:
        return body.decode(charset).removeprefix("\ufeff")
    except UnicodeError as error:
        detail = (
            f'The file is not {charset.upper()} text. Save it as "CSV UTF-8", or name its encoding '
            "in Content-Type, such as text/csv; charset=windows-1252."
        )
        raise malformed(detail, code="unsupported_charset") from error


def _charset(body: bytes, declared: object) -> str:
    """Return the declared encoding, or the one that a byte order mark shows."""
    if declared is None:
        marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return "utf-16" if body.startswith(marks) else "utf-8"
    try:
        name = codecs.lookup(str(declared)).name
    except (LookupError, ValueError):
        name = ""
    if name not in _CHARSETS:
        detail = (
            f"The charset {printable(str(declared))} is not supported. Use utf-8, utf-16, "
            "windows-1252 or iso-8859-1."
        )
        raise malformed(detail, code="unsupported_charset")
    return name


def _separator(text: str, required: str) -> tuple[str, str]:
    """Return what separates cells, and the text without a line that only says so (`sep=;`)."""
    first, _, rest = text.partition("\n")
    stated = first.strip().strip('"')
    if stated.lower().startswith("sep=") and len(stated) == len("sep=;"):
        return stated[-1], rest
    if stated.lower() == "sep=":  # a tab, which `strip` has removed
        return "\t", rest
    found = [each for each in _SEPARATORS if required in _names(first, each)]
    return found[0] if found else ",", text


def _names(line: str, separator: str) -> list[str]:
    return [name.strip().strip('"').strip().lower() for name in line.split(separator)]


def _columns(line: Sequence[str], known: Sequence[str], required: str) -> list[str]:
    """Return the names of the columns; those without a name must be empty.

    Raises:
        Problem: 422, with the column that is unknown, missing or there twice.
    """
    columns = [name.lower() for name in line]
    named = [name for name in columns if name]
    allowed = ", ".join(known)
    for name in named:
        if name not in known:
            raise _headings(f"The column {printable(name)} is not known. Possible are {allowed}.")
        if named.count(name) > 1:
            raise _headings(f"The column {name} is there more than once. Keep one of them.")
    if required not in named:
        raise _headings(f"The column {required} is missing. Possible are {allowed}.")
    return columns


def _headings(detail: str) -> Problem:
    return invalid([FieldError("headings", detail)])


def _row(columns: Sequence[str], line: Sequence[str]) -> Row | UnevenRow:
    surplus = [cell for cell in line[len(columns) :] if cell]
    unnamed = [cell for name, cell in zip(columns, line, strict=False) if cell and not name]
    if surplus or unnamed or len(line) < len(columns):
        return UnevenRow()
    return {name: cell for name, cell in zip(columns, line, strict=False) if name}
