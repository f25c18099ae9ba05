"""Clients authenticate as a user, with a password that can be rotated, and use TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from redis_batching import connect
from tests.support.redis_name import RedisName
from tests.support.redis_pair import two_servers
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.stack

HOST = "127.0.0.1"
PASSWORD = "p@ss/w:o#r%d ü"
USER = "vouch:app@1"
RULES = ["~*", "&*", "+@all", "-@admin", "-@dangerous", "+info"]
"""As for a service: HELLO needs no permission, ROLE would."""


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    async with two_servers(tmp_path_factory.mktemp("acl")) as (server,):
        yield server


@pytest.fixture
async def administrator(server: RedisServer) -> AsyncIterator[Any]:
    async with Redis.from_url(f"unix://{server.folder}/redis.sock") as redis:
        administrator: Any = redis
        await administrator.execute_command("ACL", "SETUSER", "default", "on", "nopass")
        await set_password(administrator, PASSWORD)
        yield administrator


async def set_password(administrator: Any, password: str) -> None:
    await administrator.execute_command(
        "ACL", "SETUSER", USER, "on", "resetpass", f">{password}", *RULES
    )


def url_of(server: RedisServer, password: str = PASSWORD, user: str = USER) -> str:
    return f"redis://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{server.port}/0"


@pytest.mark.usefixtures("administrator")
async def test_a_user_and_password_with_any_characters_are_accepted(server: RedisServer) -> None:
    async with connect(url_of(server)) as client:
        assert await client.set("k", "v")
        pipe: Any = client.pipeline(transaction=True)
        assert await pipe.get("k").execute() == [b"v"]


@pytest.mark.usefixtures("administrator")
async def test_a_wrong_password_is_an_error_of_the_connection(server: RedisServer) -> None:
    """So a process waits for it to be corrected, as for a server that is down."""
    async with connect(url_of(server, "wrong")) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.get("k")
    assert isinstance(caught.value, RedisConnectionError)
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")


async def test_new_connections_use_the_rotated_password(
    server: RedisServer, administrator: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    async with connect(url_of(server, "unused"), password_file=str(secret)) as client:
        assert await client.set("k", "v")
        await set_password(administrator, "rotated")
        assert await client.get("k") == b"v"  # authenticated connections continue
        await administrator.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(AuthenticationError):
            await client.get("k")
        secret.write_text("rotated")
        assert await client.get("k") == b"v"
        assert await client.execute_many([("GET", "k")]) == [b"v"]
        subscription: Any = client.pubsub()
        await subscription.subscribe("news")
        await subscription.aclose()
        secret.unlink()
        await administrator.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(AuthenticationError, match="cannot be read"):
            await client.get("k")
    assert caplog.records == []  # a line for each connection would hide the others


async def test_the_default_user_can_have_a_password_from_a_file(
    server: RedisServer, administrator: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("of-the-default-user")
    await administrator.execute_command(
        "ACL", "SETUSER", "default", "resetpass", ">of-the-default-user"
    )
    try:
        url = f"redis://{HOST}:{server.port}/0"
        async with connect(url, password_file=str(secret)) as client:
            assert await client.ping()
        async with connect(url) as client:
            with pytest.raises(AuthenticationError):
                await client.ping()
    finally:
        await administrator.execute_command("ACL", "SETUSER", "default", "on", "nopass")


@pytest.mark.usefixtures("administrator")
async def test_tls_is_verified_and_a_closed_idle_connection_replaced(
    server: RedisServer, tmp_path: Path
) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    async with await RedisName(0, server.port).open(context) as name:
        url = url_of(server).replace("redis://", "rediss://")
        url = url.replace(f":{server.port}/", f":{name.port}/")
        async with connect(url, ssl_ca_certs=str(certificate)) as client:
            assert await client.set("k", "v")
            opened = name.opened
            await name.disconnect()
            assert await client.get("k") == b"v"
            assert name.opened > opened
            values: list[Any] = [client.get("k") for _ in range(200)]
            assert await asyncio.gather(*values) == [b"v"] * 200
        async with connect(url) as client:
            with pytest.raises(RedisConnectionError, match="certificate"):
                await client.get("k")


def self_signed(folder: Path) -> Path:
    """Write a certificate for the loopback address and its key; return the certificate's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unencrypted = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, unencrypted))
    return path
