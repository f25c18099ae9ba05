"""Exchange a request for a response on a connection of an aiohttp session, for little CPU.

aiohttp makes a task, a request, a response and several maps of headers for each request, which
takes most of the CPU of a small call. The pool, the connections and the limits used here are
aiohttp's, and the parser for every response of an unusual form. Parts of it that are not public are
named in this module and in `receiver.py` alone; `tests/test_exchange.py` and
`tests/test_connections.py` fail when a release changes them.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from aws_json.receiver import Received, Receiver

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
        self._breaks: Final = self._start.count("\n") + 3  # and after the length, twice

    async def post(self, headers: Mapping[str, str], body: bytes) -> Received:
        """Send a request; return status, headers (names in lower case) and body of its response.

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
        text = "\r\n".join([self._start, *lines, f"Content-Length: {length}\r\n\r\n"])
        breaks = self._breaks + len(lines)
        if text.count("\n") != breaks or text.count("\r") != breaks:
            raise ValueError("a header must not contain a line break")
        return text.encode()


async def _exchange(protocol: Any, request: bytes, silence: float | None) -> Received:
    """Write a request and read its response; `silence` is the longest one in seconds."""
    receiver = Receiver(protocol, silence)
    try:
        protocol.transport.write(request)
        if protocol.writing_paused:
            await protocol._drain_helper()  # noqa: SLF001  see above
        receiver.start_timer()
        response = await receiver.response
    finally:
        receiver.leave()
    return await _read(protocol) if response is None else response


async def _read(protocol: Any) -> Received:
    """Read the response that aiohttp's protocol parses."""
    message, payload = await protocol.read()
    while message.code < _FINAL:
        message, payload = await protocol.read()
    return message.code, headers_of(message), await payload.read()


def headers_of(response: Any) -> dict[str, str]:
    """Return the headers of a response that aiohttp has parsed, with names in lower case."""
    return {name.decode().lower(): value.decode() for name, value in response.raw_headers}
