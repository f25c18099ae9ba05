"""Every failure of a connection is raised as botocore raises it."""

import asyncio
import socket
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiobotocore.httpsession import AIOHTTPSession
from aiohttp.http_exceptions import BadStatusLine
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from yarl import URL

from aws_json.http import Target

KEY: Any = Mock(host="h", port=1, ssl=True, is_ssl=True)
URL_TEXT = "http://dynamodb.test/"
ERRORS = [
    aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")),
    aiohttp.ClientConnectorSSLError(KEY, OSError(1, "handshake")),
    aiohttp.ClientConnectorCertificateError(KEY, ValueError("expired")),
    aiohttp.ClientProxyConnectionError(KEY, OSError(111, "refused")),
    aiohttp.ClientHttpProxyError(Mock(), ()),
    aiohttp.ClientOSError(104, "reset"),
    aiohttp.ClientConnectionResetError("closing"),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ServerTimeoutError("something"),
    aiohttp.ConnectionTimeoutError("Connection timeout to host"),
    aiohttp.SocketTimeoutError("Timeout on reading data"),
    aiohttp.ClientPayloadError("cut"),
    aiohttp.ClientResponseError(Mock(), ()),
    aiohttp.TooManyRedirects(Mock(), ()),
    aiohttp.InvalidURL("x"),
    BadStatusLine("?"),
    socket.gaierror(-3, "try again"),
    TimeoutError(),
    OSError(24, "too many open files"),
    ConnectionResetError(104, "reset"),
    ValueError("a header"),
    RuntimeError("Session is closed"),
]


class Broken:
    """Passes for an open session, its pool, connection and protocol; every request fails."""

    closed = writing_paused = False
    timeout = aiohttp.ClientTimeout()

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.connector = self.protocol = self.transport = self

    async def connect(self, *_: Any) -> Any:
        return self

    def set_protocol(self, _: Any) -> None: ...
    def close(self) -> None: ...

    def write(self, _: bytes) -> None:
        raise self.error

    async def request(self, *_: Any, **__: Any) -> Any:
        raise self.error


async def error_of(call: Any) -> BaseException:
    try:
        await call
    except BaseException as error:  # noqa: BLE001  the result
        return error
    raise AssertionError("succeeded")


@pytest.mark.parametrize(
    "error", [*ERRORS, asyncio.CancelledError()], ids=lambda error: type(error).__name__
)
async def test_an_error_of_aiohttp_is_raised_as_by_aiobotocore(error: BaseException) -> None:
    session: Any = Broken(error)
    generic = AIOHTTPSession()
    generic._sessions[None] = session
    request = AWSPreparedRequest("POST", URL_TEXT, HeadersDict(), b"", stream_output=False)
    expected = await error_of(generic.send(request))
    raised = await error_of(Target(URL(URL_TEXT), None, {}).post(session, {}, b""))
    assert (type(raised), str(raised)) == (type(expected), str(expected))
