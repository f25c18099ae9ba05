"""Files are read as spreadsheets write them; what cannot be read is explained."""

import codecs
import contextlib
import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.csv_files import UnevenRow, read_sheet
from gateway.http.problems import Problem

KNOWN = ("email", "note", "locale")
BOB, CAROL = {"email": "bob@x.org", "note": "Grüß dich"}, {"email": "carol@x.org", "note": ""}
PLAIN = "email,note\r\nbob@x.org,Grüß dich\r\ncarol@x.org,\r\n"


def rows(body: bytes, content_type: str = "text/csv") -> list[Any]:
    return list(read_sheet(body, content_type, KNOWN, "email").rows)


def form(*files: tuple[str, str, bytes]) -> bytes:
    """Return a form with files: name of the file, content type, content."""
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, kind, content in files
    ]
    return b"".join(parts) + b"--limit--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PLAIN.encode(), "text/csv"),
        (PLAIN.replace("\r\n", "\n").encode(), "text/csv"),
        (PLAIN.replace("\r\n", "\r").encode(), "text/csv"),
        (PLAIN.rstrip().encode(), "text/csv"),
        (PLAIN.encode("utf-8-sig"), "text/csv"),
        (PLAIN.encode("utf-8-sig"), "text/csv; charset=utf-8"),
        (PLAIN.encode(), 'text/csv; charset="UTF-8"; header=present'),
        (PLAIN.encode("cp1252"), "text/csv; charset=windows-1252"),
        (PLAIN.encode("latin-1"), "text/csv; charset=ISO-8859-1"),
        (PLAIN.encode("utf-16"), "text/csv"),
        (codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"), "text/csv"),
        (PLAIN.encode("utf-16"), "text/csv; charset=utf-16"),
        (PLAIN.encode(), "application/vnd.ms-excel"),
        (PLAIN.replace(",", ";").encode(), "text/csv"),
        (PLAIN.replace(",", "\t").encode(), "text/tab-separated-values"),
        (("sep=;\r\n" + PLAIN.replace(",", ";")).encode(), "text/csv"),
        (("sep=,\n" + PLAIN).encode(), "text/csv"),
        (('"sep=;"\n' + PLAIN.replace(",", ";")).encode(), "text/csv"),
        (("sep=\t\r\n" + PLAIN.replace(",", "\t")).encode(), "text/csv"),
        (("sep=|\r\n" + PLAIN.replace(",", "|")).encode(), "text/csv"),
        (
            PLAIN.replace("email,note", ' E-Mail ,"NOTE"'.replace("E-Mail", "Email")).encode(),
            "text/csv",
        ),
        (PLAIN.replace("\r\n", "\r\n\r\n").encode(), "text/csv"),
        ((PLAIN + ",\r\n,\r\n ,  \r\n").encode(), "text/csv"),
        ((",,\r\n" + PLAIN).encode(), "text/csv"),
        (PLAIN.replace("\r\n", ",,\r\n").encode(), "text/csv"),
        (form(("people.csv", "text/csv", PLAIN.encode())), "multipart/form-data; boundary=limit"),
        (
            form(("people.csv", "application/vnd.ms-excel", PLAIN.encode("utf-8-sig"))),
            'multipart/form-data; boundary="limit"',
        ),
        (
            form(("people.csv", "text/csv; charset=windows-1252", PLAIN.encode("cp1252"))),
            "multipart/form-data; boundary=limit",
        ),
    ],
)
def test_a_file_is_read_in_every_form_that_spreadsheets_write(
    body: bytes, content_type: str
) -> None:
    assert rows(body, content_type) == [BOB, CAROL]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"", "text/csv", 400, "is empty"),
        (b"\xff\xfe", "text/csv", 400, "is empty"),
        (b"\r\n,,\r\n", "text/csv", 400, "is empty"),
        (PLAIN.encode("cp1252"), "text/csv", 400, "charset=windows-1252"),
        (PLAIN.encode(), "text/csv; charset=klingon", 400, "klingon is not supported"),
        (PLAIN.encode(), "text/csv; charset=zlib", 400, "zlib is not supported"),
        (b"PK\x03\x04\x14\x00", "application/vnd.ms-excel", 400, "Excel workbook"),
        (b'email,note\nbob@x.org,"open', "text/csv", 400, "not CSV"),
        (b'email,note\nbob@x.org,"a" b', "text/csv", 400, "not CSV"),
        (b"address\nbob@x.org\n", "text/csv", 422, "column address is not known"),
        (b"email,phone\nbob@x.org,1\n", "text/csv", 422, "column phone is not known"),
        (b"email,email\nbob@x.org,\n", "text/csv", 422, "email is there more than once"),
        (b"note\nhello\n", "text/csv", 422, "column email is missing"),
        (b"bob@x.org\ncarol@x.org\n", "text/csv", 422, "bob@x.org is not known"),
        (form(), "multipart/form-data; boundary=limit", 400, "exactly one file"),
        (b"email\n", "multipart/form-data", 400, "exactly one file"),
        (
            form(("a.csv", "text/csv", b"email\n"), ("b.csv", "text/csv", b"email\n")),
            "multipart/form-data; boundary=limit",
            400,
            "exactly one file",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_with_the_remedy(
    body: bytes, content_type: str, status: int, words: str
) -> None:
    with pytest.raises(Problem) as problem:
        rows(body, content_type)
    assert problem.value.status == status
    assert words in problem.value.detail


@pytest.mark.parametrize("line", ["bob@x.org", "bob@x.org,Hello, Bob", "bob@x.org,,,x"])
def test_a_row_with_other_cells_than_columns_is_marked(line: str) -> None:
    assert rows(f"email,note\n{line}\ncarol@x.org,\n".encode()) == [UnevenRow(), CAROL]


CELLS = st.text("abZ09@.-äß€\u200d\U0001f600,;\t\"'\n= ", max_size=12).map(str.strip)


@given(
    cells=st.lists(st.tuples(CELLS.filter(bool), CELLS, CELLS), min_size=1, max_size=5),
    separator=st.sampled_from(",;\t"),
    end=st.sampled_from(["\r\n", "\n"]),
    encoding=st.sampled_from([None, "utf-8-sig", "utf-16", "utf-16-le"]),
    quoted=st.booleans(),
)
def test_what_a_spreadsheet_writes_is_read_again(
    cells: list[tuple[str, str, str]],
    separator: str,
    end: str,
    encoding: str | None,
    *,
    quoted: bool,
) -> None:
    file = io.StringIO()
    writer = csv.writer(
        file,
        delimiter=separator,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerows([KNOWN, *cells])
    charset = "; charset=utf-16-le" if encoding == "utf-16-le" else ""
    body = file.getvalue().encode(encoding or "utf-8")
    assert rows(body, f"text/csv{charset}") == [dict(zip(KNOWN, row, strict=True)) for row in cells]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.text(max_size=40))
def test_any_other_bytes_are_a_problem_and_never_an_error(body: bytes, content_type: str) -> None:
    for kind in (content_type, "text/csv", "multipart/form-data; boundary=b"):
        with contextlib.suppress(Problem):
            rows(body, kind)
