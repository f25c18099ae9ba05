"""Send HTTP requests to one JSON-RPC endpoint, at its rate, and read the responses.

An endpoint's URL may hold an API key: it appears in no log, no error and no repr.
"""

import random
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

CALL_SECONDS: Final = 30.0
"""Timeout of one HTTP request."""
MAX_BYTES: Final = 64 * 2**20
"""Size of the largest response that is read."""
BATCH: Final = 50
"""Calls per HTTP request, at most."""
LARGER_AFTER: Final = 20
"""Accepted batches after which a larger one is tried again."""
FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 30.0
LOST: Final = 3
"""Failures in a row after which the answers of the other endpoints suffice."""
AVOIDED_SECONDS: Final = 60.0
"""Time during which an endpoint that rejected a method that others answer is called last for it."""
LEAST_PACE: Final = 1 / 32
"""Part of its rate that an endpoint is called at, at least, after it was over its limit."""
_OK: Final = 200
_TOO_MANY: Final = 429
_BODY_TOO_LARGE: Final = 413
_TIMED_OUT: Final = frozenset({408, 504, 524})


class EndpointFailure(Exception):
    """Report that this endpoint did not respond properly; another one may."""

    def __init__(self, reason: str, pause: float | None = None, *, limited: bool = False) -> None:
        super().__init__(reason)
        self.pause = pause
        """Seconds that the endpoint asked not to be called; None if it did not say."""
        self.limited = limited
        """True if the endpoint received too many calls."""


class TooHeavy(EndpointFailure):
    """Report a response that was too large, took too long or broke off: less may succeed."""


@dataclass(slots=True)
class Endpoint:
    """Represent one provider of a chain; logs and errors show its `name`, never its URL."""

    url: str = field(repr=False)
    name: str
    per_second: float = 25.0
    """Calls per second; each call of a batch counts."""
    paused_until: float = 0.0
    """Time, on the client's clock, before which the endpoint is not called."""
    failures: int = 0
    """Failures since the last success."""
    checked: bool = False
    """True once it has reported the expected chain id."""
    excluded: bool = False
    """True once it has reported another chain id; it is never called again."""
    batch: int = BATCH
    """Calls that it accepts in one request, as far as known."""
    avoided: dict[str, float] = field(default_factory=dict)
    """Times, by method, until which other endpoints are preferred."""
    pace: float = 1.0
    """Part of its rate that it is called at: less after it was over its limit."""
    _next: float = 0.0
    _accepted: int = 0
    """Batches of the size `batch` that it has accepted."""

    @property
    def is_lost(self) -> bool:
        """True if no answer is expected from it soon."""
        return self.excluded or self.failures >= LOST

    def reserve(self, calls: int, now: float) -> float:
        """Reserve this many calls and return the seconds to wait before making them."""
        begin = max(now, self._next)
        self._next = begin + calls / (self.per_second * self.pace)
        return begin - now

    def succeeded(self) -> None:
        """Record a success: failures are forgotten, and the limits are tried again slowly."""
        self.failures = 0
        self.pace = min(1.0, self.pace * 1.05)

    def accepted(self, calls: int) -> None:
        """Record an accepted batch; a larger one is tried after a while."""
        self._accepted += calls == self.batch
        if self._accepted >= LARGER_AFTER:
            self.batch, self._accepted = min(BATCH, 2 * self.batch), 0

    def fail(self, now: float, failure: EndpointFailure) -> None:
        """Pause after a failure, with exponential backoff unless the endpoint set a time."""
        self.failures += 1
        if failure.limited:
            self.pace = max(LEAST_PACE, self.pace / 2)
        backoff = FIRST_PAUSE_SECONDS * 2 ** min(self.failures - 1, 10)
        pause = min(MAX_PAUSE_SECONDS, backoff if failure.pause is None else failure.pause)
        self.paused_until = now + pause * random.uniform(1, 1.2)  # noqa: S311  jitter, not secrecy

    async def post(self, session: aiohttp.ClientSession, body: object) -> Any:
        """Return the decoded response.

        Raises:
            TooHeavy: the response was too large, took too long or broke off.
            EndpointFailure: no connection, an HTTP error, or no JSON.
        """
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            async with session.post(
                self.url, data=orjson.dumps(body), headers=headers, timeout=timeout
            ) as response:
                return _decoded(response, await _bounded(response))
        except TimeoutError as error:
            raise TooHeavy("no response in time") from error
        except aiohttp.ClientConnectorError as error:
            raise EndpointFailure(type(error).__name__) from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
            raise TooHeavy(f"the connection broke off ({type(error).__name__})") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise EndpointFailure(type(error).__name__) from error


def _decoded(response: aiohttp.ClientResponse, raw: bytes) -> Any:
    """Decode a body; JSON-RPC counts with any HTTP status, as some providers send it with errors.

    Raises:
        TooHeavy: the endpoint rejected the size of the request, or the body breaks off.
        EndpointFailure: an HTTP error, or no JSON.
    """
    if response.status == _TOO_MANY:
        pause = _seconds(response.headers.get("Retry-After"))
        raise EndpointFailure("too many requests", pause, limited=True)
    if response.status == _BODY_TOO_LARGE:
        raise TooHeavy("the request is too large")
    try:
        decoded = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        _require_ok(response)
        broken = TooHeavy if raw.lstrip()[:1] in (b"{", b"[") else EndpointFailure
        raise broken("its response is not JSON") from error
    if not _is_rpc(decoded):
        _require_ok(response)
    return decoded


def _require_ok(response: aiohttp.ClientResponse) -> None:
    if response.status in _TIMED_OUT:
        raise TooHeavy(f"HTTP status {response.status}")
    if response.status != _OK:
        pause = _seconds(response.headers.get("Retry-After"))
        raise EndpointFailure(f"HTTP status {response.status}", pause)


def _is_rpc(decoded: object) -> bool:
    one = decoded[0] if isinstance(decoded, list) and decoded else decoded
    return isinstance(one, dict) and bool({"jsonrpc", "result"} & one.keys())


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(2**18):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise TooHeavy("the response is too large")
    return b"".join(parts)


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
