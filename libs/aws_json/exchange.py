"""Exchange a request for a response on a connection of an aiohttp session, for little CPU.

aiohttp makes a task, a request, a response and several maps of headers for each request, which
takes most of the CPU of a small call. The pool, the connections, the parser and the timeouts used
here are aiohttp's. Parts of it that are not public are named in this module alone;
`tests/test_exchange.py` and `tests/test_connections.py` fail when a release changes them.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

RawHeaders = tuple[tuple[bytes, bytes], ...]

_FINAL: Final = 200
"""The first status that is no interim response."""


class Exchange:
    """Send POST requests to one URL, without a proxy.

    Args:
        session: The session whose connections and timeouts are used.
        url: Where the requests go.
    """

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        self.session: Final = session
        self._url: Final = url
        # it is never sent: the connector reads from it where to connect to
        self._destination: Final[Any] = aiohttp.ClientRequest(
            "POST", url, loop=asyncio.get_running_loop()
        )
        self._start: Final = (
            f"POST {url.raw_path_qs} HTTP/1.1\r\nHost: {url.host_port_subcomponent}\r\n"
            "Accept: */*\r\nAccept-Encoding: identity"
        )

    async def post(self, headers: Mapping[str, str], body: bytes) -> tuple[int, RawHeaders, bytes]:
        """Send a request; return status, headers and body of its response.

        Raises:
            Exception: What `session.post` raises.
        """
        session = self.session
        if session.closed:
            raise RuntimeError("Session is closed")
        head = self._head(headers, len(body))
        connector: Any = session.connector
        try:
            connection = await connector.connect(self._destination, [], session.timeout)
        except TimeoutError as error:
            text = f"Connection timeout to host {self._url}"
            raise aiohttp.ConnectionTimeoutError(text) from error
        try:
            received = await _exchange(connection.protocol, head + body, session.timeout.sock_read)
        except BaseException:
            connection.close()  # the next request must not read this response
            raise
        connection.release()
        return received

    def _head(self, headers: Mapping[str, str], length: int) -> bytes:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any("\n" in line or "\r" in line for line in lines):
            raise ValueError("a header must not contain a line break")
        return "\r\n".join([self._start, *lines, f"Content-Length: {length}\r\n\r\n"]).encode()


async def _exchange(
    protocol: Any, request: bytes, read_timeout: float | None
) -> tuple[int, RawHeaders, bytes]:
    """Write a request and read its response; `read_timeout` is the longest silence in seconds."""
    protocol.set_response_params(
        read_until_eof=True, auto_decompress=False, read_timeout=read_timeout
    )
    protocol.transport.write(request)
    await protocol._drain_helper()  # noqa: SLF001  see above
    protocol.start_timeout()
    message, payload = await protocol.read()
    while message.code < _FINAL:
        message, payload = await protocol.read()
    return message.code, message.raw_headers, await payload.read()
