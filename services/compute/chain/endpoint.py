"""Send JSON-RPC requests to one endpoint, at its rate, and validate the responses.

An endpoint's URL may hold an API key: it appears in no log, no error and no repr.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

CALL_SECONDS: Final = 30.0
"""Timeout of one HTTP request."""
MAX_BYTES: Final = 64 * 2**20
"""Size of the largest response that is read."""
FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 30.0
TOO_LARGE: Final = -32_097
"""Our own error code for a response of more than `MAX_BYTES`."""
_OK: Final = 200
_TOO_MANY: Final = 429
_RATE_LIMITED = re.compile(
    r"rate.?limit|too many requests|request rate|requests per|capacity exceeded|daily request",
    re.IGNORECASE,
)


class RpcError(Exception):
    """Report that the endpoint understood the call and rejected it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message[:300]}")
        self.code, self.message = code, message


class EndpointFailure(Exception):
    """Report that this endpoint did not respond properly; another one may."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause
        """Seconds that the endpoint asked not to be called; None if it did not say."""


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
    _next: float = 0.0

    def reserve(self, calls: int, now: float) -> float:
        """Reserve this many calls and return the seconds to wait before making them."""
        begin = max(now, self._next)
        self._next = begin + calls / self.per_second
        return begin - now

    def pause(self, now: float, seconds: float | None) -> None:
        """Pause after a failure, with exponential backoff unless the endpoint set a time."""
        self.failures += 1
        backoff = FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1)
        pause = min(MAX_PAUSE_SECONDS, backoff if seconds is None else seconds)
        self.paused_until = now + pause * random.uniform(1, 1.2)  # noqa: S311  jitter, not secrecy

    async def post(self, session: aiohttp.ClientSession, body: object) -> Any:
        """Return the decoded response, or an `RpcError` if it was too large to read.

        Raises:
            EndpointFailure: no response in time, an HTTP error, or no JSON.
        """
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            async with session.post(
                self.url, data=orjson.dumps(body), headers=headers, timeout=timeout
            ) as response:
                raw = await _read(response)
        except TimeoutError as error:
            raise EndpointFailure("no response in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise EndpointFailure(type(error).__name__) from error
        if raw is None:
            return RpcError(TOO_LARGE, "the response is too large")
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise EndpointFailure("its response is not JSON") from error


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body of a usable response; None if it exceeds `MAX_BYTES`."""
    if response.status == _TOO_MANY:
        pause = _seconds(response.headers.get("Retry-After"))
        raise EndpointFailure("too many requests", pause)
    raw = await _bounded(response)
    if raw is not None and response.status != _OK and not _is_rpc(raw):
        raise EndpointFailure(f"HTTP status {response.status}")
    return raw


async def _bounded(response: aiohttp.ClientResponse) -> bytes | None:
    parts, size = [], 0
    async for part in response.content.iter_chunked(2**18):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            return None
    return b"".join(parts)


def _is_rpc(raw: bytes) -> bool:
    """Return True for a JSON-RPC body: some providers send one with an HTTP error status."""
    return raw.lstrip()[:1] in (b"{", b"[") and b"jsonrpc" in raw


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None


def result_of(response: dict[str, Any]) -> Any:
    """Return the result of one call, or the `RpcError` that the endpoint sent.

    Raises:
        EndpointFailure: the error means that the endpoint is over its rate limit.
    """
    error = response.get("error")
    if error is None:
        return response.get("result")
    fields = error if isinstance(error, dict) else {"message": str(error)}
    rejection = RpcError(int(fields.get("code") or 0), str(fields.get("message", "")))
    if rejection.code == _TOO_MANY or _RATE_LIMITED.search(rejection.message):
        raise EndpointFailure("too many requests")
    return rejection
