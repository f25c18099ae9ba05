"""JSON-RPC 2.0 over HTTP: batches, failover between endpoints, a pace for each of them.

An endpoint's address may hold a key: it stands in no log, no error and no repr.
"""

import asyncio
import itertools
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson
import structlog

BATCH: Final = 50
CALL_SECONDS: Final = 30.0
MOST_BYTES: Final = 64 * 2**20
FIRST_REST_SECONDS: Final = 0.5
LONGEST_REST_SECONDS: Final = 30.0
ROUNDS: Final = 6
"""How often all endpoints are tried before the chain is given up; about a minute."""
TOO_LARGE: Final = -32_097
_OK: Final = 200
_TOO_MANY: Final = 429
_LIMITED = re.compile(
    r"rate.?limit|too many requests|request rate|requests per|capacity exceeded|daily request",
    re.IGNORECASE,
)

log = structlog.get_logger(__name__)

Params = Sequence[Any]
Call = tuple[str, Params]


class RpcError(Exception):
    """The endpoint understood the call and refused it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message[:300]}")
        self.code, self.message = code, message


class Unreachable(Exception):
    """No endpoint of the chain answers."""


class _Failed(Exception):
    """This endpoint did not answer as it should; another one may."""

    def __init__(self, why: str, rest: float | None = None) -> None:
        super().__init__(why)
        self.rest = rest


@dataclass(slots=True)
class Endpoint:
    """One provider of a chain; `name` is what is told of it."""

    url: str = field(repr=False)
    name: str
    per_second: float = 25.0
    """Calls; those of a batch count each."""
    resting_until: float = 0.0
    failures: int = 0
    checked: bool = False
    excluded: bool = False
    _next: float = 0.0

    def reserve(self, calls: int, now: float) -> float:
        """Seconds to wait before so many calls may be made; they are taken as made."""
        begin = max(now, self._next)
        self._next = begin + calls / self.per_second
        return begin - now

    def fail(self, now: float, rest: float | None) -> None:
        self.failures += 1
        pause = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2 ** (self.failures - 1))
        pause = pause if rest is None else min(rest, LONGEST_REST_SECONDS)
        self.resting_until = now + pause * random.uniform(1, 1.2)  # noqa: S311  spread, not secrecy


def _anything(_results: Sequence[Any]) -> bool:
    return True


@dataclass(slots=True)
class Rpc:
    """Calls to one chain. Endpoints are preferred in their order; one that fails rests a while."""

    session: aiohttp.ClientSession = field(repr=False)
    endpoints: Sequence[Endpoint]
    chain_id: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    calls: int = 0
    """Calls made, those of a batch each."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, *params: Any) -> Any:
        """The result.

        Raises:
            RpcError: the call was refused.
            Unreachable: nobody answers.
        """
        (result,) = await self.batch([(method, params)])
        if isinstance(result, RpcError):
            raise result
        return result

    async def block(self, which: int | str, *, whole: bool = False) -> dict[str, Any] | None:
        """A block by number or tag, with its transactions if `whole`; None if there is none.

        Raises: as `call`.
        """
        name = hex(which) if isinstance(which, int) else which
        found: dict[str, Any] | None = await self.call("eth_getBlockByNumber", name, whole)
        return found

    async def batch(
        self, calls: Sequence[Call], fits: Callable[[Sequence[Any]], bool] = _anything
    ) -> list[Any]:
        """The result of each call, or the `RpcError` that it came to, in order.

        Up to `BATCH` calls go to the same endpoint together; an answer that does not fit is taken
        for one of an endpoint that lags behind, and another one is asked.

        Raises:
            Unreachable: nobody answers.
        """
        results: list[Any] = []
        for first in range(0, len(calls), BATCH):
            results += await self._somewhere(calls[first : first + BATCH], fits)
        return results

    async def _somewhere(
        self, calls: Sequence[Call], fits: Callable[[Sequence[Any]], bool]
    ) -> list[Any]:
        why = "no endpoint is configured"
        for _ in range(ROUNDS * len(self.endpoints)):
            endpoint = await self._choose()
            try:
                await self._check(endpoint)
                results = await self._post(endpoint, calls)
            except _Failed as failure:
                why = str(failure)
                self._rest(endpoint, why, failure.rest)
                continue
            if fits(results):
                endpoint.failures = 0
                return results
            why = "it lags behind"
            self._rest(endpoint, why)
        raise Unreachable(f"no endpoint of chain {self.chain_id} answers; the last said: {why}")

    def _rest(self, endpoint: Endpoint, why: str, seconds: float | None = None) -> None:
        endpoint.fail(self.clock(), seconds)
        log.warning("endpoint_failed", endpoint=endpoint.name, because=why)

    async def _choose(self) -> Endpoint:
        """The first that does not rest; else the one whose rest is over soonest."""
        usable = [each for each in self.endpoints if not each.excluded]
        if not usable:
            raise Unreachable(f"no endpoint is one of chain {self.chain_id}")
        now = self.clock()
        for endpoint in usable:
            if endpoint.resting_until <= now:
                return endpoint
        soonest = min(usable, key=lambda each: each.resting_until)
        await self.sleep(soonest.resting_until - now)
        return soonest

    async def _check(self, endpoint: Endpoint) -> None:
        """Once: that it is of this chain at all."""
        if endpoint.checked:
            return
        (said,) = await self._post(endpoint, [("eth_chainId", ())])
        if not isinstance(said, str):
            raise _Failed("it does not tell its chain")
        if int(said, 16) != self.chain_id:
            endpoint.excluded = True
            log.error("endpoint_of_another_chain", endpoint=endpoint.name, chain=int(said, 16))
            raise _Failed(f"it is one of chain {int(said, 16)}")
        endpoint.checked = True

    async def _post(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any]:
        await self.sleep(endpoint.reserve(len(calls), self.clock()))
        self.calls += len(calls)
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]
        alone = len(requests) == 1
        answer = await self._exchange(endpoint, requests[0] if alone else requests)
        if isinstance(answer, RpcError):
            return [answer] * len(calls)
        if isinstance(answer, dict) and not alone:  # some know no batches
            return [(await self._post(endpoint, [call]))[0] for call in calls]
        rows = [answer] if isinstance(answer, dict) else answer
        if not isinstance(rows, list):
            raise _Failed("its answer is no JSON-RPC")
        by_id = {row.get("id"): row for row in rows if isinstance(row, dict)}
        if any(request["id"] not in by_id for request in requests):
            raise _Failed("its answer leaves calls out")
        return [_result(by_id[request["id"]]) for request in requests]

    async def _exchange(self, endpoint: Endpoint, body: object) -> Any:
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        try:
            async with self.session.post(
                endpoint.url, data=orjson.dumps(body), headers=headers, timeout=timeout
            ) as reply:
                if reply.status == _TOO_MANY:
                    raise _Failed("too many requests", _seconds(reply.headers.get("Retry-After")))
                raw = await _bounded(reply)
                if raw is None:
                    return RpcError(TOO_LARGE, "the response is too large")
                if reply.status != _OK and not _is_json(raw):
                    raise _Failed(f"HTTP status {reply.status}")
        except TimeoutError as error:
            raise _Failed("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Failed(type(error).__name__) from error
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise _Failed("its answer is no JSON") from error


def _result(row: dict[str, Any]) -> Any:
    error = row.get("error")
    if error is None:
        return row.get("result")
    told = error if isinstance(error, dict) else {"message": str(error)}
    refusal = RpcError(int(told.get("code") or 0), str(told.get("message", "")))
    if refusal.code == _TOO_MANY or _LIMITED.search(refusal.message):
        raise _Failed("too many requests")
    return refusal


def _is_json(raw: bytes) -> bool:
    """Some tell refusals with a status beside 200, and the reason as they should."""
    return raw.lstrip()[:1] in (b"{", b"[") and b"jsonrpc" in raw


async def _bounded(reply: aiohttp.ClientResponse) -> bytes | None:
    """The body; None if there is more of it than anybody should send."""
    parts, size = [], 0
    async for part in reply.content.iter_chunked(2**18):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            return None
    return b"".join(parts)


def _seconds(retry_after: str | None) -> float | None:
    try:
        return max(0.0, float(retry_after)) if retry_after else None
    except ValueError:
        return None
