"""Calls fail over between endpoints, and no endpoint's URL is ever shown."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from compute.chain import Endpoint, RpcClient, RpcError, Unreachable
from compute.chain.rpc import BATCH
from deploy.local.chain import SimulatedChain, application
from deploy.local.settings import CHAIN_ID
from tests.compute.chain.conftest import Providers
from tests.compute.simulated_token import simulated_token

SECRET = "secret-api-key"


def scripted(*responses: Any) -> web.Application:
    """Return one response after the other, then the last one for ever."""
    ahead = itertools.chain(responses, itertools.repeat(responses[-1]))

    async def rpc(request: web.Request) -> Any:
        asked = await request.json()
        if isinstance(asked, dict) and asked["method"] == "eth_chainId":
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": hex(CHAIN_ID)})
        response = next(ahead)
        if callable(response):
            result = response(asked)
            return await result if asyncio.iscoroutine(result) else result
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": response})

    app = web.Application()
    app.router.add_post("/", rpc)
    return app


def status(code: int, **headers: str) -> Any:
    return lambda _asked: web.Response(status=code, text="<html>busy</html>", headers=headers)


def error(code: int, message: str) -> Any:
    return lambda asked: web.json_response(
        {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": code, "message": message}}
    )


def not_json(_asked: object) -> web.Response:
    return web.Response(text="hello")


async def hangs_up(_asked: object) -> web.Response:
    raise aiohttp.ClientConnectionError


@pytest.mark.parametrize(
    "failure",
    [
        status(500),
        status(502),
        status(429),
        not_json,
        error(-32005, "daily request count exceeded, request rate limited"),
        error(429, "Too Many Requests"),
        lambda _asked: web.json_response([]),
        lambda _asked: web.json_response({"id": -1}),
    ],
    ids=["500", "502", "429", "text", "limited", "too-many", "nothing", "another"],
)
async def test_a_failed_call_goes_to_another_endpoint(failure: Any, providers: Providers) -> None:
    bad = await providers.serve(scripted(failure), "bad")
    good = await providers.serve(scripted("0x5"), "good")
    rpc = providers.rpc(bad, good)
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert bad.failures == 1


async def test_an_endpoint_that_failed_is_paused_and_called_again(providers: Providers) -> None:
    endpoint = await providers.serve(scripted(status(503), status(503), "0x5"))
    rpc = providers.rpc(endpoint)
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert sum(providers.slept) >= 1.5
    assert endpoint.failures == 0


async def test_an_endpoint_can_set_its_pause(providers: Providers) -> None:
    limited = status(429, **{"Retry-After": "7"})
    rpc = providers.rpc(await providers.serve(scripted(limited, "0x5")))
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert 7 <= sum(providers.slept) < 9


async def test_an_unreachable_chain_does_not_show_the_url(providers: Providers) -> None:
    rpc = providers.rpc(Endpoint(f"http://127.0.0.1:1/{SECRET}", "first", 1e9))
    with pytest.raises(Unreachable) as failure:
        await rpc.call("eth_blockNumber")
    assert SECRET not in str(failure.value)
    assert SECRET not in repr(rpc)
    assert SECRET not in repr(failure.value.__cause__)


async def test_a_rejected_call_raises_if_every_endpoint_rejects_it(providers: Providers) -> None:
    rejected = scripted(error(-32602, "invalid params"))
    first, second = await providers.serve(rejected, "first"), await providers.serve(rejected, "2nd")
    with pytest.raises(RpcError, match="-32602: invalid params"):
        await providers.rpc(first, second).call("eth_call")


async def test_a_call_that_one_endpoint_rejects_is_sent_to_the_other(providers: Providers) -> None:
    first = await providers.serve(scripted(error(-32602, "invalid params")), "first")
    second = await providers.serve(scripted("0x05"), "second")
    rpc = providers.rpc(first, second)
    assert await rpc.call("eth_call") == "0x05"
    assert await rpc.call("eth_call") == "0x05"
    assert rpc.calls == 2 + 2 + 1  # the first endpoint is asked once only


async def test_an_endpoint_of_another_chain_is_excluded(providers: Providers) -> None:
    simulated = simulated_token(1)
    other = await providers.serve(application(SimulatedChain(simulated)), "other")
    with pytest.raises(Unreachable):
        await providers.rpc(other, chain_id=1).call("eth_blockNumber")
    assert other.excluded


async def test_batches_are_split_and_put_in_order(providers: Providers) -> None:
    seen = []

    def reversed_batch(asked: Any) -> web.Response:
        asked = asked if isinstance(asked, list) else [asked]
        seen.append(len(asked))
        rows = [{"jsonrpc": "2.0", "id": c["id"], "result": c["params"][0]} for c in asked]
        return web.json_response(rows[::-1] if len(rows) > 1 else rows[0])

    rpc = providers.rpc(await providers.serve(scripted(reversed_batch)))
    calls = [("echo", (n,)) for n in range(2 * BATCH + 1)]
    assert await rpc.batch(calls) == list(range(2 * BATCH + 1))
    assert seen == [BATCH, BATCH, 1]


async def test_an_endpoint_without_batches_is_called_one_by_one(providers: Providers) -> None:
    def single(asked: Any) -> web.Response:
        if isinstance(asked, list):
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batch"}}
            return web.json_response(error)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]})

    rpc = providers.rpc(await providers.serve(scripted(single)))
    assert await rpc.batch([("echo", (1,)), ("echo", (2,))]) == [[1], [2]]


async def test_calls_stay_within_the_rate(providers: Providers) -> None:
    endpoint = await providers.serve(scripted("0x5"))
    endpoint.per_second = 10
    rpc = providers.rpc(endpoint)
    for _ in range(31):
        await rpc.call("eth_blockNumber")
    assert sum(providers.slept) == pytest.approx(3.1)  # the chain id is checked with one more call


async def test_a_response_that_is_too_large_is_not_read(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.chain.endpoint.MAX_BYTES", 1_000)
    rpc: RpcClient = providers.rpc(await providers.serve(scripted("x" * 300_000)))
    with pytest.raises(RpcError, match="too large"):
        await rpc.call("eth_getLogs")
