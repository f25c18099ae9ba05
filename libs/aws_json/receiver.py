"""Receive the usual form of an HTTP response, and leave every other form to aiohttp's protocol.

Usual is what AWS sends: `HTTP/1.1`, a final status, headers in ASCII of which none is repeated, and
a body of a stated length on a connection that stays open. aiohttp's protocol makes a parser, a
stream and two wake-ups for each response; this makes one wake-up.
"""

import asyncio
import re
from typing import Any, Final

import aiohttp

Received = tuple[int, dict[str, str], bytes]
"""Status, headers with names in lower case, and body."""

_MAX_HEAD: Final = 8_190
"""Bytes of status line and headers; aiohttp's protocol decides about more."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_USUAL_HEAD: Final = re.compile(
    rb"HTTP/1\.1 [2-5]\d\d(?: [\t -~]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*)*"
)
_STATUS: Final = slice(9, 12)
_WITHOUT_BODY: Final = (204, 304)


class Receiver(asyncio.Protocol):
    """Take the place of aiohttp's protocol on its transport until a response has arrived.

    Args:
        protocol: aiohttp's protocol, which stays in charge of the connection.
        silence: Seconds without a byte after which the response is given up; None: no limit.
    """

    def __init__(self, protocol: Any, silence: float | None) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._protocol: Final = protocol
        self._silence: Final = silence
        self.response: Final[asyncio.Future[Received | None]] = self._loop.create_future()
        """The response; None once aiohttp's protocol has taken over, with all that has arrived.

        Raises `aiohttp.SocketTimeoutError`.
        """
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: bytes | bytearray = b""
        self._status, self._headers = 0, dict[str, str]()
        self._body = slice(0, 0)
        """Where the body is in what arrives; empty before the head has arrived."""
        protocol.transport.set_protocol(self)

    def start_timer(self) -> None:
        """Measure the silence from now on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._silence:
            self._timer = self._loop.call_later(self._silence, self._time_out)

    def leave(self) -> None:
        """Give the transport back to aiohttp's protocol."""
        if self._timer is not None:
            self._timer.cancel()
        if self._protocol.transport is not None:
            self._protocol.transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        if self.response.done():  # more than one response to one request
            self._protocol.force_close()
            return
        if not self._arrived:
            self._arrived = data
        else:
            if isinstance(self._arrived, bytes):
                self._arrived = bytearray(self._arrived)
            self._arrived += data
        if not self._status and not self._read_head():
            return
        if len(self._arrived) < self._body.stop:
            self.start_timer()
        elif len(self._arrived) > self._body.stop:
            self._hand_over()
        else:
            body = bytes(self._arrived[self._body])
            self.response.set_result((self._status, self._headers, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.response.done():
            self._hand_over()
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _read_head(self) -> bool:
        """Return whether the head has arrived and is usual."""
        end = self._arrived.find(_END_OF_HEAD)
        if end < 0 and len(self._arrived) <= _MAX_HEAD:
            self.start_timer()
            return False
        head = None if not 0 <= end <= _MAX_HEAD else usual_head(bytes(self._arrived[:end]))
        if head is None:
            self._hand_over()
            return False
        self._status, self._headers, length = head
        start = end + len(_END_OF_HEAD)
        self._body = slice(start, start + length)
        return True

    def _hand_over(self) -> None:
        """Let aiohttp's protocol parse what has arrived and what is still to come."""
        self.leave()
        self._protocol.set_response_params(
            read_until_eof=True, auto_decompress=False, read_timeout=self._silence
        )
        self._protocol.start_timeout()
        if self._arrived:
            self._protocol.data_received(bytes(self._arrived))
        self.response.set_result(None)

    def _time_out(self) -> None:
        if not self.response.done():
            error = aiohttp.SocketTimeoutError("Timeout on reading data from socket")
            self.response.set_exception(error)


def usual_head(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Return status, headers and length of the body, or None if the form is unusual.

    Args:
        head: Status line and headers without the empty line that ends them.
    """
    if _USUAL_HEAD.fullmatch(head) is None:
        return None
    first, *lines = head.decode().split("\r\n")
    headers = dict[str, str]()
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    status, length = int(first[_STATUS]), headers.get("content-length", "")
    if (
        len(headers) < len(lines)  # one is repeated
        or status in _WITHOUT_BODY
        or "transfer-encoding" in headers
        or "upgrade" in headers
        or not length.isdigit()
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
    ):
        return None
    return status, headers, int(length)
