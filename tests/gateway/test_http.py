import asyncio
import contextlib
import gzip
import json
import re
from collections.abc import AsyncIterator

import pytest

from gateway.edge import connection
from gateway.http import requests as parsing
from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE, Issuer
from tests.gateway.written_logs import log_of_requests

PROBLEM = "application/problem+json"
USER = {"sub": ALICE, "user": "alice@example.com"}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connection_to(client: GatewayClient) -> AsyncIterator[Streams]:
    """Open a connection for raw bytes."""
    port = int(client.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def response_to(sent: bytes, client: GatewayClient) -> bytes:
    """Return all bytes that are received until the gateway closes the connection."""
    async with connection_to(client) as (reader, writer):
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), 5)


def is_problem(response: object, status: int) -> bool:
    assert isinstance(response, dict)
    assert response["status"] == response["status_code"] == status
    assert isinstance(response["detail"], str)
    assert response["detail"]
    assert response["code"]
    assert response["request_id"]
    return True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/me/", 404),
        ("DELETE", "/v1/me", 405),
        ("PUT", "/v1/referral/valid", 405),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
async def test_an_unknown_path_or_method_answers_problem_json(
    method: str, path: str, status: int, client: GatewayClient
) -> None:
    response = await client.call(method, path)
    assert response.status == status
    assert response.headers["Content-Type"] == PROBLEM
    assert is_problem(response.json, status)
    assert response.json["request_id"] == response.headers["X-Request-ID"]
    assert (status == 405) == ("Allow" in response.headers)


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
async def test_a_missing_or_invalid_token_answers_403(
    headers: list[tuple[str, str]], client: GatewayClient
) -> None:
    async with client.session.get(f"{client.url}/v1/me", headers=headers) as response:
        assert response.status == 403
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        assert is_problem(await response.json(), 403)


async def test_a_route_rejects_the_wrong_kind_of_token(client: GatewayClient) -> None:
    issuer = client.issuer
    for response in (
        await client.post("/v1/me", issuer.access()),
        await client.post("/v1/users", issuer.id(), json=USER),
        await client.post("/v1/invites", issuer.id(), json={"email": "bob@example.com"}),
    ):
        assert response.status == 403
        assert "token" in response.json["detail"]
    assert client.bus.sent == []


async def test_an_account_is_served_to_both_kinds_of_token(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    assert (await client.get("/v1/me", client.issuer.id())).status == 200
    assert (await client.get("/v1/me", client.issuer.access())).status == 200


async def test_the_bearer_scheme_is_case_insensitive(client: GatewayClient) -> None:
    headers = {"Authorization": f"bearer {client.issuer.access()}"}
    assert (await client.get("/v1/me", headers=headers)).status == 404


async def test_unknown_signing_keys_answer_503_instead_of_403(client: GatewayClient) -> None:
    stranger = Issuer(keys={"key-2": next(iter(client.issuer.keys.values()))})
    client.issuer.down = True
    keys = client.gateway.keys[0]
    keys._fetched_at = float("-inf")
    response = await client.get("/v1/me", stranger.access())
    assert (response.status, response.json["code"]) == (503, "keys_unavailable")
    assert (await client.get("/v1/me", client.issuer.access())).status == 404


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
        (b'{"sub": "\\ud800", "user": "a@example.com"}', 400, "half of a character"),
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
async def test_an_invalid_body_is_rejected_with_the_field_and_the_reason(
    body: bytes, status: int, words: str, client: GatewayClient
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/users", client.issuer.program(), data=body, headers=headers)
    assert response.status == status
    assert is_problem(response.json, status)
    assert words in response.json["detail"]
    assert ("errors" in response.json) == (status == 422)
    assert client.bus.sent == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "*/*"])
async def test_a_body_without_the_json_content_type_is_rejected(
    kind: str, client: GatewayClient
) -> None:
    response = await client.post(
        "/v1/users",
        client.issuer.program(),
        data=json.dumps(USER).encode(),
        headers={"Content-Type": kind},
    )
    assert (response.status, response.json["code"]) == (400, "unsupported_content_type")
    assert "application/json" in response.json["detail"]


async def test_a_body_that_is_too_large_answers_413(client: GatewayClient) -> None:
    response = await client.post("/v1/users", client.issuer.program(), json={"sub": "a" * 70_000})
    assert response.status == 413
    assert is_problem(response.json, 413)
    assert client.bus.sent == []


async def test_a_body_is_rejected_where_none_is_expected(client: GatewayClient) -> None:
    assert (await client.post("/v1/me", client.issuer.id(), json={"email": "x"})).status == 422
    assert client.bus.sent == []
    assert (await client.post("/v1/me", client.issuer.id(), json={})).status == 201


async def test_unknown_query_parameters_are_rejected(client: GatewayClient) -> None:
    response = await client.get("/v1/me?at=yesterday", client.issuer.access())
    assert (response.status, response.json["code"]) == (400, "unknown_parameter")


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
async def test_malformed_http_answers_problem_json_without_quoting_it(
    request_bytes: bytes, client: GatewayClient
) -> None:
    response = await response_to(request_bytes, client)
    head, _, body = response.partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert b"application/problem+json" in head
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in head
    assert is_problem(json.loads(body), 400)
    assert SECRET not in response


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-y", "gzip, identity"])
@pytest.mark.parametrize("body", [b"abcd", gzip.compress(b"{" + b" " * 5_000_000 + b"}")])
async def test_compressed_bodies_are_rejected(
    encoding: str, body: bytes, client: GatewayClient
) -> None:
    response = await response_to(
        b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + client.issuer.program().encode() + b"\r\n"
        b"Content-Encoding: " + encoding.encode() + b"\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body,
        client,
    )
    problem = json.loads(response.partition(b"\r\n\r\n")[2])
    assert is_problem(problem, 400)
    assert problem["code"] in {"unsupported_content_encoding", "malformed_http"}


async def test_a_broken_chunked_body_is_rejected(client: GatewayClient) -> None:
    response = await response_to(
        b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + client.issuer.program().encode() + b"\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        client,
    )
    assert b" 400 " in response.split(b"\r\n")[0]
    assert is_problem(json.loads(response.partition(b"\r\n\r\n")[2]), 400)
    assert client.bus.sent == []


PATH = b"/v1/referral/valid?referral_code=00000-00000"


@pytest.mark.parametrize(
    ("version", "sent", "expected", "closed"),
    [
        (b"HTTP/1.1", b"", None, False),
        (b"HTTP/1.1", b"Connection: close\r\n", b"close", True),
        (b"HTTP/1.0", b"", None, True),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", b"keep-alive", False),
    ],
)
async def test_connections_are_kept_alive_as_http_defines_it(
    version: bytes,
    sent: bytes,
    expected: bytes | None,
    *,
    closed: bool,
    client: GatewayClient,
) -> None:
    async with connection_to(client) as (reader, writer):
        writer.write(b"GET " + PATH + b" " + version + b"\r\nHost: a\r\n" + sent + b"\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        lines = head.split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:] if line)
        assert lines[0] == version + b" 200 OK"
        assert headers.get(b"Connection") == expected
        body = await reader.readexactly(int(headers[b"Content-Length"]))
        assert json.loads(body) == {"valid": False}
        if not closed:
            writer.write(b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 OK\r\n")
        else:
            assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_pipelined_requests_are_answered_in_order(client: GatewayClient) -> None:
    names = [b"number-%02d" % number for number in range(8)]
    requests = [
        b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nX-Request-ID: " + name + b"\r\n"
        for name in names
    ]
    response = await response_to(b"\r\n".join(requests) + b"Connection: close\r\n\r\n", client)
    assert re.findall(rb"X-Request-ID: (\S+)", response) == names
    assert response.count(b'{"valid":false}') == len(names)


@pytest.mark.parametrize("path", ["/v1/me", "/v1/nowhere", "/docs"])
async def test_a_head_request_receives_no_body(path: str, client: GatewayClient) -> None:
    """Only the documentation pages support HEAD."""
    response = await response_to(
        b"HEAD " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", client
    )
    assert response.partition(b"\r\n\r\n")[2] == b""


async def test_an_empty_query_string_is_accepted(client: GatewayClient) -> None:
    head = f"GET /v1/me? HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {client.issuer.access()}"
    response = await response_to(head.encode() + b"\r\nConnection: close\r\n\r\n", client)
    assert b"no_account" in response


async def test_a_safe_request_id_of_the_caller_is_used(client: GatewayClient) -> None:
    response = await client.get("/v1/nothing", headers={"X-Request-ID": "abcdef-12345"})
    assert response.json["request_id"] == "abcdef-12345"
    for unsafe in ("short", "x" * 65, "with blank here", '{"json": "injection"}'):
        response = await client.get("/v1/nothing", headers={"X-Request-ID": unsafe})
        assert response.json["request_id"] != unsafe


async def test_responses_have_the_common_headers(client: GatewayClient) -> None:
    response = await client.get("/v1/me", client.issuer.access())
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Server"] == "vouch"  # without the versions of aiohttp and Python


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_the_log_contains_no_token_and_no_address(
    log_format: str, gateways: Gateways, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await gateways.open(log_format=log_format)
    token = client.issuer.id()
    await client.post("/v1/me", token)
    await client.get("/v1/me?x=1", client.issuer.access())
    lines = await log_of_requests(capsys, 2)
    assert "/v1/me" in lines
    for secret in (token.split(".")[1][:40], token.split(".")[2][:40], "@example.com", "Bearer"):
        assert secret not in lines


async def test_a_healthy_gateway_is_alive_and_ready(client: GatewayClient) -> None:
    assert (await client.get("/healthz")).json == {"status": "alive"}
    assert (await client.get("/readyz")).json == {"status": "ready"}


async def test_readiness_names_the_failing_checks(client: GatewayClient) -> None:
    client.bus.down = True
    response = await client.get("/readyz")
    assert (response.status, response.json["missing"]) == (503, ["bus"])
    client.gateway.health.draining = True
    assert (await client.get("/readyz")).json["missing"] == ["bus", "draining"]
    assert (await client.get("/healthz")).status == 200


async def test_silent_connections_are_closed_and_do_not_block_others(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "FIRST_REQUEST_SECONDS", 0.5)
    client = await gateways.open()
    port = int(client.url.rpartition(":")[2])
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
    for _, writer in silent:
        writer.write(b"GET /v1/me HTTP/1.1\r\nHost: a\r\nX-Slow")
    assert (await client.get("/v1/me", client.issuer.access())).status == 404
    try:
        ends = await asyncio.wait_for(
            asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True), 10
        )
    finally:
        for _, writer in silent:
            writer.transport.abort()
    # A close that overtakes bytes the gateway has not read yet reaches the client as a reset.
    unexpected = [end for end in ends if end != b"" and not isinstance(end, ConnectionResetError)]
    assert unexpected == []


async def test_a_slow_body_answers_408(
    client: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "BODY_SECONDS", 0.05)
    async with connection_to(client) as (reader, writer):
        writer.write(
            b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: 100\r\nAuthorization: Bearer "
            + client.issuer.program().encode()
            + b"\r\n\r\n{"
        )
        response = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b" 408 " in response.split(b"\r\n")[0]
