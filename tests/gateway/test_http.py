import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator

import pytest

from gateway.edge import connection
from gateway.http import requests as parsing
from tests.gateway.conftest import Door, Doors
from tests.gateway.world import ALICE, Issuer
from tests.support.eventually import eventually

PROBLEM = "application/problem+json"
USER = {"sub": ALICE, "user": "alice@example.com"}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def line(door: Door) -> AsyncIterator[Streams]:
    """A connection on which anything can be said."""
    port = int(door.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer_to(said: bytes, door: Door) -> bytes:
    """All that is answered until the gateway hangs up."""
    async with line(door) as (reader, writer):
        writer.write(said)
        return await asyncio.wait_for(reader.read(), 5)


def is_problem(answer: object, status: int) -> bool:
    assert isinstance(answer, dict)
    assert answer["status"] == answer["status_code"] == status
    assert isinstance(answer["detail"], str)
    assert answer["detail"]
    assert answer["code"]
    assert answer["request_id"]
    return True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/me/", 404),
        ("DELETE", "/v1/me", 405),
        ("PUT", "/v1/referral/valid", 405),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
async def test_what_is_not_served_is_refused_as_json(
    method: str, path: str, status: int, door: Door
) -> None:
    answer = await door.call(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == PROBLEM
    assert is_problem(answer.json, status)
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert (status == 405) == ("Allow" in answer.headers)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic YTpi")],
        [("Authorization", "Bearer x")],
        [("Authorization", "BearerBearer x")],
        [("Authorization", "Bearer a.b.c")],
        [("Authorization", "Bearer a.b.c"), ("Authorization", "Bearer a.b.c")],
    ],
)
async def test_no_good_token_is_403_and_nothing_else_is(
    headers: list[tuple[str, str]], door: Door
) -> None:
    async with door.session.get(f"{door.url}/v1/me", headers=headers) as response:
        assert response.status == 403
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert is_problem(await response.json(), 403)


async def test_each_token_opens_only_what_it_is_meant_for(door: Door) -> None:
    issuer = door.issuer
    for answer in (
        await door.post("/v1/me", issuer.access()),
        await door.post("/v1/users", issuer.id(), json=USER),
        await door.post("/v1/invites", issuer.id(), json={"email": "bob@example.com"}),
    ):
        assert answer.status == 403
        assert "token" in answer.json["detail"]
    assert door.bus.sent == []


async def test_the_own_account_is_shown_to_either_token(door: Door) -> None:
    await door.post("/v1/me", door.issuer.id())
    assert (await door.get("/v1/me", door.issuer.id())).status == 200
    assert (await door.get("/v1/me", door.issuer.access())).status == 200


async def test_the_scheme_is_read_in_any_case(door: Door) -> None:
    headers = {"Authorization": f"bearer {door.issuer.access()}"}
    assert (await door.get("/v1/me", headers=headers)).status == 404


async def test_while_keys_are_unknown_nobody_is_sent_to_the_log_in(door: Door) -> None:
    stranger = Issuer(keys={"key-2": next(iter(door.issuer.keys.values()))})
    door.issuer.down = True
    keys = door.gateway.keys[0]
    keys._fetched_at = float("-inf")
    answer = await door.get("/v1/me", stranger.access())
    assert (answer.status, answer.json["code"]) == (503, "keys_unavailable")
    assert (await door.get("/v1/me", door.issuer.access())).status == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "line 1"),
        (b"{", 400, "line 1"),
        (b"{'a': 1}", 400, "line 1, column 2"),
        (b"\xff", 400, "UTF-8"),
        (b'\xef\xbb\xbf{"sub": "a", "user": "a@example.com"}', 400, "BOM"),
        (b'{"sub": NaN, "user": "a@example.com"}', 400, "NaN"),
        (b'{"sub": "a", "sub": "b", "user": "a@example.com"}', 400, "duplicate"),
        (b'{"sub": "\\ud800", "user": "a@example.com"}', 400, "UTF-8"),
        (b"[" * 100_0 + b"]" * 100_0, 400, "deep"),
        (b"[]", 422, "body"),
        (b"null", 422, "body"),
        (b'"text"', 422, "body"),
        (b"{}", 422, "sub: is missing"),
        (b'{"sub": "a"}', 422, "user: is missing"),
        (b'{"sub": "a", "user": "no address"}', 422, "user: "),
        (b'{"sub": 7, "user": "a@example.com"}', 422, "sub: "),
        (b'{"sub": "", "user": "a@example.com"}', 422, "sub: "),
        (b'{"sub": "a b", "user": "a@example.com"}', 422, "sub: "),
        (b'{"sub": "a", "user": ["a@example.com"]}', 422, "user: "),
        (b'{"sub": "a", "user": "a@example.com", "admin": true}', 422, "admin: "),
        (b'{"sub": "a", "user": "' + b"a" * 300 + b'@example.com"}', 422, "user: "),
    ],
)
async def test_a_bad_body_is_refused_with_what_and_where(
    body: bytes, status: int, words: str, door: Door
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await door.post("/v1/users", door.issuer.program(), data=body, headers=headers)
    assert answer.status == status
    assert is_problem(answer.json, status)
    assert words in answer.json["detail"]
    assert ("errors" in answer.json) == (status == 422)
    assert door.bus.sent == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "*/*"])
async def test_a_body_that_is_not_said_to_be_json_is_refused(kind: str, door: Door) -> None:
    answer = await door.post(
        "/v1/users",
        door.issuer.program(),
        data=json.dumps(USER).encode(),
        headers={"Content-Type": kind},
    )
    assert (answer.status, answer.json["code"]) == (400, "unsupported_content_type")
    assert "application/json" in answer.json["detail"]


async def test_too_large_a_body_is_refused(door: Door) -> None:
    answer = await door.post("/v1/users", door.issuer.program(), json={"sub": "a" * 70_000})
    assert answer.status == 413
    assert is_problem(answer.json, 413)
    assert door.bus.sent == []


async def test_a_body_where_none_is_wanted_is_refused(door: Door) -> None:
    assert (await door.post("/v1/me", door.issuer.id(), json={"email": "x"})).status == 422
    assert door.bus.sent == []
    assert (await door.post("/v1/me", door.issuer.id(), json={})).status == 201


async def test_unknown_query_parameters_are_refused(door: Door) -> None:
    answer = await door.get("/v1/me?at=yesterday", door.issuer.access())
    assert (answer.status, answer.json["code"]) == (400, "unknown_parameter")


SECRET = b"eyJhbGciOiJub25lIn0"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"garbage " + SECRET + b"\r\n\r\n",
        b"GET /" + SECRET + b"\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization Bearer " + SECRET + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + SECRET * 2000 + b"\r\n\r\n",
        b"GET /" + SECRET * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET,
    ],
)
async def test_what_is_not_http_is_answered_in_json_and_not_quoted(
    request_bytes: bytes, door: Door
) -> None:
    answer = await answer_to(request_bytes, door)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert b"application/problem+json" in head
    assert is_problem(json.loads(body), 400)
    assert SECRET not in answer


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-y", "gzip, identity"])
@pytest.mark.parametrize("body", [b"abcd", gzip.compress(b"{" + b" " * 5_000_000 + b"}")])
async def test_compressed_bodies_are_refused_as_they_are(
    encoding: str, body: bytes, door: Door
) -> None:
    answer = await answer_to(
        b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + door.issuer.program().encode() + b"\r\n"
        b"Content-Encoding: " + encoding.encode() + b"\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body,
        door,
    )
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert is_problem(problem, 400)
    assert problem["code"] in {"unsupported_content_encoding", "malformed_http"}


async def test_a_broken_chunked_body_is_refused(door: Door) -> None:
    answer = await answer_to(
        b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + door.issuer.program().encode() + b"\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        door,
    )
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert is_problem(json.loads(answer.partition(b"\r\n\r\n")[2]), 400)
    assert door.bus.sent == []


PATH = b"/v1/referral/valid?referral_code=00000-00000"


@pytest.mark.parametrize(
    ("version", "wish", "told", "closed"),
    [
        (b"HTTP/1.1", b"", None, False),
        (b"HTTP/1.1", b"Connection: close\r\n", b"close", True),
        (b"HTTP/1.0", b"", None, True),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", b"keep-alive", False),
    ],
)
async def test_connections_are_kept_as_http_has_it(
    version: bytes, wish: bytes, told: bytes | None, *, closed: bool, door: Door
) -> None:
    async with line(door) as (reader, writer):
        writer.write(b"GET " + PATH + b" " + version + b"\r\nHost: a\r\n" + wish + b"\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:] if line)
        assert lines[0] == version + b" 200 OK"
        assert headers.get(b"Connection") == told
        body = await reader.readexactly(int(headers[b"Content-Length"]))
        assert json.loads(body) == {"valid": False}
        if not closed:
            writer.write(b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 OK\r\n")
        else:
            assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_requests_in_one_write_are_answered_in_their_order(door: Door) -> None:
    names = [b"number-%02d" % number for number in range(8)]
    asked = [
        b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nX-Request-ID: " + name + b"\r\n"
        for name in names
    ]
    told = await answer_to(b"\r\n".join(asked) + b"Connection: close\r\n\r\n", door)
    assert re.findall(rb"X-Request-ID: (\S+)", told) == names
    assert told.count(b'{"valid":false}') == len(names)


@pytest.mark.parametrize("path", ["/v1/me", "/v1/nowhere", "/docs"])
async def test_nothing_is_sent_after_the_head_of_a_head_request(path: str, door: Door) -> None:
    """No route has a HEAD, but for the pages."""
    told = await answer_to(
        b"HEAD " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", door
    )
    assert told.partition(b"\r\n\r\n")[2] == b""


async def test_a_path_that_ends_in_a_question_mark_asks_nothing(door: Door) -> None:
    head = f"GET /v1/me? HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {door.issuer.access()}"
    told = await answer_to(head.encode() + b"\r\nConnection: close\r\n\r\n", door)
    assert b"no_account" in told


async def test_a_request_id_of_the_callers_is_kept_if_it_is_harmless(door: Door) -> None:
    answer = await door.get("/v1/nothing", headers={"X-Request-ID": "abcdef-12345"})
    assert answer.json["request_id"] == "abcdef-12345"
    for strange in ("short", "x" * 65, "with blank here", '{"json": "injection"}'):
        answer = await door.get("/v1/nothing", headers={"X-Request-ID": strange})
        assert answer.json["request_id"] != strange


async def test_answers_are_dressed(door: Door) -> None:
    answer = await door.get("/v1/me", door.issuer.access())
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "vouch"  # and not the versions of what it is made of


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_the_log_holds_no_token_and_no_address(
    log_format: str, doors: Doors, capsys: pytest.CaptureFixture[str]
) -> None:
    door = await doors.open(log_format=log_format)
    token = door.issuer.id()
    await door.post("/v1/me", token)
    await door.get("/v1/me?x=1", door.issuer.access())
    lines = ""

    async def written() -> bool:
        nonlocal lines
        lines += capsys.readouterr().out
        return lines.count("request_completed") >= 2

    await eventually(written)
    assert "/v1/me" in lines
    for secret in (token.split(".")[1][:40], token.split(".")[2][:40], "@example.com", "Bearer"):
        assert secret not in lines


async def test_health(door: Door) -> None:
    assert (await door.get("/healthz")).json == {"status": "alive"}
    assert (await door.get("/readyz")).json == {"status": "ready"}


async def test_readiness_names_what_is_missing(door: Door) -> None:
    door.bus.down = True
    answer = await door.get("/readyz")
    assert (answer.status, answer.json["missing"]) == (503, ["bus"])
    door.gateway.health.draining = True
    assert (await door.get("/readyz")).json["missing"] == ["bus", "draining"]
    assert (await door.get("/healthz")).status == 200


async def test_silent_connections_stop_nobody_and_are_let_go(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_REQUEST_SECONDS", 0.5)
    door = await doors.open()
    port = int(door.url.rpartition(":")[2])
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
    for _, writer in silent:
        writer.write(b"GET /v1/me HTTP/1.1\r\nHost: a\r\nX-Slow")
    assert (await door.get("/v1/me", door.issuer.access())).status == 404
    ends = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in silent)), 10)
    assert set(ends) == {b""}
    for _, writer in silent:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in silent), return_exceptions=True)


async def test_a_body_that_dawdles_is_given_up(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "BODY_SECONDS", 0.05)
    async with line(door) as (reader, writer):
        writer.write(
            b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: 100\r\nAuthorization: Bearer "
            + door.issuer.program().encode()
            + b"\r\n\r\n{"
        )
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b" 408 " in answer.split(b"\r\n")[0]
