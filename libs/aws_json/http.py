"""Send a request on a connection of botocore's pool, and report failures as botocore does."""

import socket
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

import aiohttp
from aiohttp.http_exceptions import BadStatusLine
from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import mask_proxy_url
from yarl import URL

from aws_json.exchange import Exchange, headers_of
from aws_json.receiver import Received

REDIRECTED: Final = 300
"""The first status that is no success."""
_CLOSED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, BadStatusLine)
_UNREACHABLE: Final = (aiohttp.ClientConnectionError, socket.gaierror)


@dataclass(frozen=True, slots=True)
class Response:
    """Hold a response that has been received completely."""

    status: int
    headers: dict[str, str]
    """The names are in lower case."""
    body: bytes


@dataclass(slots=True)
class Target:
    """Describe where requests are sent, and through which proxy."""

    url: URL
    proxy: str | None
    proxy_headers: dict[str, str]
    _exchange: Exchange | None = field(default=None, repr=False)

    async def post(
        self, session: aiohttp.ClientSession, headers: dict[str, str], body: bytes
    ) -> Response:
        """Send a request and receive its response.

        Raises:
            BotoCoreError: There is no complete response; the classes are those of botocore.
        """
        try:
            received = await (
                self._direct(session).post(headers, body)
                if self.proxy is None
                else self._through_proxy(session, headers, body)
            )
        except Exception as error:
            raise botocore_error(error, str(self.url), self.proxy) from error
        return Response(*received)

    def _direct(self, session: aiohttp.ClientSession) -> Exchange:
        if self._exchange is None or self._exchange.session is not session:
            self._exchange = Exchange(session, self.url)
        return self._exchange

    async def _through_proxy(
        self, session: aiohttp.ClientSession, headers: dict[str, str], body: bytes
    ) -> Received:
        async with session.post(
            self.url,
            data=body,
            headers={**headers, "Accept-Encoding": "identity"},
            proxy=self.proxy,
            proxy_headers=self.proxy_headers,
        ) as response:
            return response.status, headers_of(response), await response.read()


def damage_of(response: Response) -> ChecksumError | None:
    """Return an error if a body is not the one whose checksum DynamoDB sent."""
    if (expected := response.headers.get("x-amz-crc32")) is None:
        return None
    if (actual := crc32(response.body)) == int(expected):
        return None
    return ChecksumError(checksum_type="crc32", expected_checksum=expected, actual_checksum=actual)


def botocore_error(error: Exception, url: str, proxy: str | None) -> BotoCoreError:  # noqa: PLR0911  one answer per class
    """Return the error that botocore raises for one of aiohttp."""
    match error:
        case aiohttp.ClientSSLError():
            return SSLError(endpoint_url=url, error=error)
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return ProxyConnectionError(proxy_url=mask_proxy_url(proxy), error=error)
        case _ if isinstance(error, _CLOSED):
            return ConnectionClosedError(error=error, endpoint_url=url)
        case aiohttp.ServerTimeoutError() if str(error).lower().startswith("connect"):
            return ConnectTimeoutError(endpoint_url=url, error=error)
        case aiohttp.ServerTimeoutError():
            return ReadTimeoutError(endpoint_url=url, error=error)
        case _ if isinstance(error, _UNREACHABLE):
            return EndpointConnectionError(endpoint_url=url, error=error)
        case TimeoutError():
            return ReadTimeoutError(endpoint_url=url, error=error)
        case _:
            return HTTPClientError(error=error)
