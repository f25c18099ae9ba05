"""Responses arrive over TLS, under asyncio and under uvloop, which services use."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from aws_json.exchange import Exchange

LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)
LARGE = bytes(range(256)) * 8_192
"""Two megabytes, more than a transport reads at once."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and its own certificate for `localhost`."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + signed.public_bytes(pem)
    )
    return path


@asynccontextmanager
async def echo(certificate: Path) -> AsyncIterator[tuple[Exchange, set[object]]]:
    """Answer each request with its body, `cut` with a part of it; yield the peers as well."""
    peers: set[object] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        while head := await next_head(reader):
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            body = await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + body[:-1])
            if body == b"cut":
                break
            await writer.drain()
            writer.write(body[-1:])
        writer.close()

    accepting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    accepting.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    server = await asyncio.start_server(serve, "localhost", 0, ssl=accepting, limit=2**22)
    port = server.sockets[0].getsockname()[1]
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with server, aiohttp.ClientSession(connector=connector) as session:
        yield Exchange(session, URL(f"https://localhost:{port}/")), peers


async def next_head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Return a function that runs a coroutine on a loop of each kind."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


def test_responses_of_any_size_arrive_on_one_connection(
    certificate: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def work() -> None:
        async with echo(certificate) as (exchange, peers):
            for body in (b"{}", LARGE, b"{}", LARGE[:1]):
                status, _, received = await exchange.post({}, body)
                assert (status, received) == (200, body)
            assert len(peers) == 1

    run(work())


def test_a_response_that_is_cut_off_is_an_error_and_the_next_one_arrives(
    certificate: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    async def work() -> None:
        async with echo(certificate) as (exchange, peers):
            with pytest.raises(aiohttp.ClientPayloadError):
                await exchange.post({}, b"cut")
            assert (await exchange.post({}, b"{}"))[2] == b"{}"
            assert len(peers) == 2

    run(work())
