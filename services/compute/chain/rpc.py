"""Call one chain over JSON-RPC 2.0: batches, and failover between its endpoints."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import structlog

from compute.chain.endpoint import Endpoint, EndpointFailure, RpcError, result_of

BATCH: Final = 50
"""Calls per HTTP request, at most."""
ROUNDS: Final = 6
"""Attempts per endpoint before the chain counts as unreachable; about a minute."""

log = structlog.get_logger(__name__)

Params = Sequence[Any]
Call = tuple[str, Params]
"""A method and its parameters."""


class Unreachable(Exception):
    """Report that no endpoint of the chain responds."""


def _accept_all(_results: Sequence[Any]) -> bool:
    return True


@dataclass(slots=True)
class RpcClient:
    """Call the first endpoint that is not paused; pause one that fails."""

    session: aiohttp.ClientSession = field(repr=False)
    endpoints: Sequence[Endpoint]
    """In order of preference."""
    chain_id: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    calls: int = 0
    """Calls made so far; each call of a batch counts."""
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, *params: Any) -> Any:
        """Make one call and return its result.

        Raises:
            RpcError: the endpoint rejected the call.
            Unreachable: no endpoint responds.
        """
        (result,) = await self.batch([(method, params)])
        if isinstance(result, RpcError):
            raise result
        return result

    async def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """Make several calls and return all results, in order.

        Raises:
            RpcError: an endpoint rejected one of the calls.
            Unreachable: no endpoint responds.
        """
        results = await self.batch(calls)
        for result in results:
            if isinstance(result, RpcError):
                raise result
        return results

    async def block(
        self, number_or_tag: int | str, *, transactions: bool = False
    ) -> dict[str, Any] | None:
        """Return a block, with its full transactions if asked for; None if it does not exist.

        Raises:
            RpcError: the endpoint rejected the call.
            Unreachable: no endpoint responds.
        """
        tag = hex(number_or_tag) if isinstance(number_or_tag, int) else number_or_tag
        block: dict[str, Any] | None = await self.call("eth_getBlockByNumber", tag, transactions)
        return block

    async def batch(
        self, calls: Sequence[Call], accept: Callable[[Sequence[Any]], bool] = _accept_all
    ) -> list[Any]:
        """Make several calls and return the result or `RpcError` of each, in order.

        Each group of `BATCH` calls goes to one endpoint. Results that `accept` returns False for
        are taken as those of an endpoint that lags behind, and another endpoint is called.

        Raises:
            Unreachable: no endpoint responds.
        """
        results: list[Any] = []
        for first in range(0, len(calls), BATCH):
            results += await self._with_failover(calls[first : first + BATCH], accept)
        return results

    async def _with_failover(
        self, calls: Sequence[Call], accept: Callable[[Sequence[Any]], bool]
    ) -> list[Any]:
        reason = "no endpoint is configured"
        for _ in range(ROUNDS * len(self.endpoints)):
            endpoint = await self._choose()
            try:
                await self._check_chain(endpoint)
                results = await self._send(endpoint, calls)
            except EndpointFailure as failure:
                reason = str(failure)
                self._pause(endpoint, reason, failure.pause)
                continue
            if accept(results):
                endpoint.failures = 0
                return results
            reason = "it lags behind"
            self._pause(endpoint, reason)
        raise Unreachable(
            f"no endpoint of chain {self.chain_id} responds; the last reason: {reason}"
        )

    def _pause(self, endpoint: Endpoint, reason: str, seconds: float | None = None) -> None:
        endpoint.pause(self.clock(), seconds)
        log.warning("endpoint_failed", endpoint=endpoint.name, reason=reason)

    async def _choose(self) -> Endpoint:
        """Return the first endpoint that is not paused; else wait for the one that is next."""
        usable = [each for each in self.endpoints if not each.excluded]
        if not usable:
            raise Unreachable(f"no endpoint belongs to chain {self.chain_id}")
        now = self.clock()
        for endpoint in usable:
            if endpoint.paused_until <= now:
                return endpoint
        next_ready = min(usable, key=lambda each: each.paused_until)
        await self.sleep(next_ready.paused_until - now)
        return next_ready

    async def _check_chain(self, endpoint: Endpoint) -> None:
        """Verify, once per endpoint, that it serves this chain."""
        if endpoint.checked:
            return
        (reported,) = await self._send(endpoint, [("eth_chainId", ())])
        if not isinstance(reported, str):
            raise EndpointFailure("it does not report its chain id")
        if int(reported, 16) != self.chain_id:
            endpoint.excluded = True
            log.error("endpoint_excluded", endpoint=endpoint.name, chain_id=int(reported, 16))
            raise EndpointFailure(f"it serves chain {int(reported, 16)}")
        endpoint.checked = True

    async def _send(self, endpoint: Endpoint, calls: Sequence[Call]) -> list[Any]:
        await self.sleep(endpoint.reserve(len(calls), self.clock()))
        self.calls += len(calls)
        requests = [
            {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
            for method, params in calls
        ]
        single = len(requests) == 1
        response = await endpoint.post(self.session, requests[0] if single else requests)
        if isinstance(response, RpcError):
            return [response] * len(calls)
        if isinstance(response, dict) and not single:  # the endpoint does not support batches
            return [(await self._send(endpoint, [call]))[0] for call in calls]
        responses = [response] if isinstance(response, dict) else response
        if not isinstance(responses, list):
            raise EndpointFailure("its response is not JSON-RPC")
        by_id = {each.get("id"): each for each in responses if isinstance(each, dict)}
        if any(request["id"] not in by_id for request in requests):
            raise EndpointFailure("its response leaves calls out")
        return [result_of(by_id[request["id"]]) for request in requests]
