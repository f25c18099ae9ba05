"""Call one chain over JSON-RPC 2.0: batches, and failover between its endpoints.

A result is believed at once. Everything else an endpoint may send (an error, a null, a revert, no
return data) is believed only after the other endpoints have been asked, and after several answers
if it may pass: a limit, a missing block or a broken backend say nothing about the chain.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import structlog

from compute.chain.answers import Call, Params
from compute.chain.doubts import Group
from compute.chain.endpoint import (
    AVOIDED_SECONDS,
    BATCH,
    FIRST_PAUSE_SECONDS,
    Endpoint,
    EndpointFailure,
)
from compute.chain.exchange import Answer, Exchange
from compute.chain.rejections import RpcError

ROUNDS: Final = 6
"""Attempts per endpoint before the chain counts as unreachable; about a minute."""

log = structlog.get_logger(__name__)

__all__ = ["BATCH", "ROUNDS", "Call", "Params", "RpcClient", "Unreachable"]


class Unreachable(Exception):
    """Report that no endpoint of the chain responds."""


def _accept_all(_results: Sequence[Any]) -> bool:
    return True


def _believe(_call: Call, _result: Any) -> bool:
    return False


@dataclass(slots=True)
class RpcClient:
    """Call the first endpoint that is not paused; pause one that fails."""

    session: aiohttp.ClientSession = field(repr=False)
    endpoints: Sequence[Endpoint]
    """In order of preference."""
    chain_id: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _exchange: Exchange = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._exchange = Exchange(self.session, self.clock, self.sleep)

    @property
    def calls(self) -> int:
        """Calls made so far; each call of a batch counts."""
        return self._exchange.calls

    async def call(self, method: str, *params: Any) -> Any:
        """Make one call and return its result.

        Raises:
            RpcError: the endpoints rejected the call.
            Unreachable: no endpoint responds.
        """
        (result,) = await self.call_all([(method, params)])
        return result

    async def call_all(self, calls: Sequence[Call]) -> list[Any]:
        """Make several calls and return all results, in order.

        Raises:
            RpcError: the endpoints rejected one of the calls.
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
            RpcError: the endpoints rejected the call.
            Unreachable: no endpoint responds.
        """
        tag = hex(number_or_tag) if isinstance(number_or_tag, int) else number_or_tag
        block: dict[str, Any] | None = await self.call("eth_getBlockByNumber", tag, transactions)
        return block

    async def batch(
        self,
        calls: Sequence[Call],
        *,
        doubted: Callable[[Call, Any], bool] = _believe,
    ) -> list[Any]:
        """Make several calls and return the result or `RpcError` of each, in order.

        A call that one endpoint rejects is sent to another one, without the other calls. A result
        that `doubted` returns True for is believed only if no endpoint has a better one.

        Raises:
            Unreachable: no endpoint responds.
        """
        results: list[Any] = []
        for first in range(0, len(calls), BATCH):
            group = Group(calls[first : first + BATCH], doubted)
            results += await self._complete(group, _accept_all)
        return results

    async def together(
        self,
        calls: Sequence[Call],
        accept: Callable[[Sequence[Any]], bool] = _accept_all,
        *,
        doubted: Callable[[Call, Any], bool] = _believe,
    ) -> list[Any]:
        """Make a few calls to one endpoint and return the result or `RpcError` of each, in order.

        Results that `accept` returns False for are taken as those of an endpoint that lags behind,
        and another endpoint is called. `doubted` is as in `batch`.

        Raises:
            Unreachable: no endpoint responds.
        """
        return await self._complete(Group(calls, doubted, together=True), accept)

    async def _complete(self, group: Group, accept: Callable[[Sequence[Any]], bool]) -> list[Any]:
        reason, attempts = "no endpoint is configured", 0
        while attempts < ROUNDS * len(self.endpoints):
            endpoint = await self._choose(group)
            before = len(group.pending)
            try:
                answers = await self._ask(endpoint, group, accept)
            except EndpointFailure as failure:
                reason, attempts = self._fail(endpoint, failure), attempts + 1
                continue
            failed = group.add(endpoint.name, answers)
            if failed is None:
                endpoint.succeeded()
            else:
                reason = self._fail(endpoint, failed)
            if group.settle(self._awaited()):
                self._prefer_others(group)
                return group.results()
            attempts = 0 if len(group.pending) < before else attempts + 1
        raise Unreachable(
            f"no endpoint of chain {self.chain_id} responds; the last reason: {reason}"
        )

    async def _ask(
        self, endpoint: Endpoint, group: Group, accept: Callable[[Sequence[Any]], bool]
    ) -> list[Answer]:
        """Return the endpoint's answer to each call.

        Raises:
            EndpointFailure: it does not respond properly, or lags behind.
        """
        await self._check_chain(endpoint)
        calls = [group.calls[n] for n in group.pending]
        answers = await self._exchange.send(endpoint, calls)
        if (failure := group.failure_among(answers)) is not None:
            raise failure
        if not accept(answers):
            self._avoid(endpoint, calls)
            raise EndpointFailure("it lags behind")
        return answers

    def _prefer_others(self, group: Group) -> None:
        """Let endpoints that have rejected what others answer be asked last for a while."""
        by_name = {each.name: each for each in self.endpoints}
        for name, call in group.corrected():
            self._avoid(by_name[name], [call])

    def _awaited(self) -> frozenset[str]:
        """Return the endpoints that may still know better."""
        return frozenset(each.name for each in self.endpoints if not each.is_lost)

    def _avoid(self, endpoint: Endpoint, calls: Sequence[Call]) -> None:
        for method, _ in calls:
            endpoint.avoided[method] = self.clock() + AVOIDED_SECONDS

    def _fail(self, endpoint: Endpoint, failure: EndpointFailure) -> str:
        """Pause an endpoint and return the reason."""
        endpoint.fail(self.clock(), failure)
        log.warning("endpoint_failed", endpoint=endpoint.name, reason=str(failure))
        return str(failure)

    async def _choose(self, group: Group) -> Endpoint:
        """Return the endpoint that was asked least often, then one that suits; wait until it may.

        An endpoint that is paused is waited for only if the others have been asked already.
        """
        usable = [each for each in self.endpoints if not each.excluded]
        if not usable:
            raise Unreachable(f"no endpoint belongs to chain {self.chain_id}")
        now = self.clock()
        near = [each for each in usable if not (each.is_lost and each.paused_until > now)]
        candidates = near or usable
        fewest = min(group.asked(each.name) for each in candidates)
        least = [each for each in candidates if group.asked(each.name) == fewest]
        ready = [each for each in least if each.paused_until <= now]
        if not ready:
            chosen = min(least, key=lambda each: each.paused_until)
            await self.sleep(chosen.paused_until - now)
            return chosen
        if fewest:
            await self.sleep(FIRST_PAUSE_SECONDS * 2 ** (fewest - 1))
        return min(ready, key=lambda each: self._avoids(each, group, now))

    @staticmethod
    def _avoids(endpoint: Endpoint, group: Group, now: float) -> bool:
        return any(endpoint.avoided.get(group.calls[n][0], 0) > now for n in group.pending)

    async def _check_chain(self, endpoint: Endpoint) -> None:
        """Verify, once per endpoint, that it serves this chain."""
        if endpoint.checked:
            return
        (reported,) = await self._exchange.send(endpoint, [("eth_chainId", ())])
        if isinstance(reported, EndpointFailure):
            raise reported
        if not isinstance(reported, str):
            raise EndpointFailure("it does not report its chain id")
        number = int(reported, 16)
        if number != self.chain_id:
            endpoint.excluded = True
            log.error("endpoint_excluded", endpoint=endpoint.name, chain_id=number)
            raise EndpointFailure(f"it serves chain {number}")
        endpoint.checked = True
