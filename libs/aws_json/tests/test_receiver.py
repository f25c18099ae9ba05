"""A response is received as aiohttp's protocol receives it, whatever its form and its pieces."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import example, given
from hypothesis import strategies as st

from aws_json.exchange import _exchange, _read
from aws_json.receiver import Received, Receiver

USUAL = (
    b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Sat, 28 Nov 2026 11:00:00 GMT\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 8HFS4F5V0Q3GH2TQ2H0V\r\nx-amz-crc32: 2745614147\r\n\r\n{}"
)
STATUS_LINES = [
    *(f"HTTP/1.1 {status} Reason" for status in (100, 101, 200, 204, 304, 400, 503, 600)),
    "HTTP/1.1 200",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 200OK",
    "HTTP/1.0 200 OK",
    "HTTP/2 200 OK",
    "ICY 200 OK",
    "",
]
LENGTHS = ["{}", " {} ", "+{}", "0{}", "{}, {}", "1{}", "x", "", "-1"]
HEADERS = [
    "X-Amzn-RequestId: 1",
    "X-Amzn-RequestId:1",
    "x-amz-crc32: \t7 \t",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Connection: close",
    "Connection: Keep-Alive",
    "Connection: upgrade",
    "Upgrade: h2c",
    "Content-Encoding: gzip",
    "Trailer: X",
    "X: grüße",
    "X: a\r\n folded",
    "X : a",
    ": a",
    "no colon",
    "X: a\x01",
    "X: a\0",
    "X: a\nY: b",
    "X: a\rY: b",
    "X:",
]


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Return the bytes of a response; most are of the usual form but for one detail."""
    body = draw(
        st.binary(max_size=20) | st.sampled_from([b"{}", b"0\r\n\r\n", b"1\r\n{\r\n0\r\n\r\n"])
    )
    status = draw(st.sampled_from(["HTTP/1.1 200 OK"] * 6 + STATUS_LINES))
    length = draw(st.sampled_from(["{}"] * 6 + LENGTHS)).replace("{}", str(len(body)))
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=3))
    headers += [f"Content-Length: {length}"] * draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
    head = "\r\n".join([status, *draw(st.permutations(headers))]).encode()
    return head + b"\r\n\r\n" + body


class Pipe(asyncio.Transport):
    """Pass for a transport whose bytes a test feeds."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.closing = False

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def write(self, data: Any) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def connected() -> tuple[Pipe, ResponseHandler]:
    pipe, protocol = Pipe(), ResponseHandler(asyncio.get_running_loop())
    protocol.connection_made(pipe)
    pipe.protocol = protocol
    return pipe, protocol


async def by_aiohttp(protocol: ResponseHandler) -> Received:
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    return await _read(protocol)


async def outcome(
    pipe: Pipe, protocol: ResponseHandler, response: Any, pieces: list[bytes], end: Any
) -> tuple[Any, ...]:
    """Feed the pieces; return the response or its error, and if the connection can be kept."""
    reading = asyncio.ensure_future(response)
    await asyncio.sleep(0)
    for piece in pieces:
        if not pipe.closing:
            pipe.protocol.data_received(piece)
    for _ in range(4):
        await asyncio.sleep(0)
    kept = reading.done() and not protocol.should_close
    pipe.protocol.connection_lost(end)
    try:
        return await asyncio.wait_for(reading, 1), kept
    except Exception as error:  # noqa: BLE001  the outcome
        return type(error), kept


def divided(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(
    data=responses(),
    cuts=st.lists(st.integers(0, 400), max_size=4),
    end=st.sampled_from([None, ConnectionResetError(104, "reset")]),
)
@example(data=USUAL, cuts=[], end=None)
@example(data=USUAL, cuts=[1, 250, 260], end=None)
@example(data=USUAL[:-1], cuts=[], end=None)
@example(data=b"", cuts=[], end=ConnectionResetError(104, "reset"))
@example(
    data=USUAL.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 9_000 + b"\r\n\r\n"), cuts=[9_000], end=None
)
async def test_a_response_has_the_outcome_that_aiohttp_gives_it(
    data: bytes, cuts: list[int], end: Exception | None
) -> None:
    pieces = divided(data, cuts)
    pipe, protocol = connected()
    expected = await outcome(pipe, protocol, by_aiohttp(protocol), pieces, end)
    pipe, protocol = connected()
    ours = await outcome(pipe, protocol, _exchange(protocol, b"", None), pieces, end)
    assert ours == expected
    assert pipe.protocol is protocol


@pytest.mark.parametrize("cut", [len(USUAL) - 2, len(USUAL), len(USUAL) + 1])
async def test_a_connection_with_more_than_the_response_is_not_kept(cut: int) -> None:
    pipe, protocol = connected()
    pieces = divided(USUAL + b"{}", [cut])
    *_, kept = await outcome(pipe, protocol, _exchange(protocol, b"", None), pieces, None)
    assert not kept


async def test_the_usual_response_is_not_left_to_aiohttp() -> None:
    pipe, protocol = connected()
    receiver = Receiver(protocol, None)
    pipe.protocol.data_received(USUAL)
    response = await receiver.response
    assert response is not None
    status, headers, body = response
    assert (status, headers["x-amz-crc32"], body) == (200, "2745614147", b"{}")


async def test_each_piece_extends_the_time_for_the_next() -> None:
    pipe, protocol = connected()
    receiver = Receiver(protocol, 60)
    receiver.start_timer()
    for piece in divided(USUAL, [10, 100, 250])[:-1]:
        timer = receiver._timer
        assert timer is not None
        pipe.protocol.data_received(piece)
        assert timer.cancelled()
        assert receiver._timer is not None
        assert receiver._timer.when() >= timer.when()
    last = receiver._timer
    receiver.leave()
    assert last is not None
    assert last.cancelled()


async def test_silence_is_a_timeout() -> None:
    _, protocol = connected()
    with pytest.raises(aiohttp.SocketTimeoutError):
        await _exchange(protocol, b"", 0.01)
