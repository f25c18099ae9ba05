"""Several endpoints, each with its moods; none of their addresses is ever told."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from compute.chain import Endpoint, Rpc, RpcError, Unreachable
from compute.chain.rpc import BATCH
from deploy.local.chain import LocalChain, application
from deploy.local.settings import CHAIN_ID
from tests.compute.chain.conftest import Providers
from tests.compute.worlds import planted

SECRET = "key-that-nobody-may-see"


def moody(*moods: Any) -> web.Application:
    """Answers with one mood after the other, then with the last for ever."""
    ahead = itertools.chain(moods, itertools.repeat(moods[-1]))

    async def rpc(request: web.Request) -> Any:
        asked = await request.json()
        if isinstance(asked, dict) and asked["method"] == "eth_chainId":
            return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": hex(CHAIN_ID)})
        mood = next(ahead)
        if callable(mood):
            told = mood(asked)
            return await told if asyncio.iscoroutine(told) else told
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": mood})

    made = web.Application()
    made.router.add_post("/", rpc)
    return made


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
async def test_another_endpoint_is_asked(failure: Any, providers: Providers) -> None:
    bad = await providers.serve(moody(failure), "bad")
    good = await providers.serve(moody("0x5"), "good")
    rpc = providers.rpc(bad, good)
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert bad.failures == 1


async def test_an_endpoint_that_failed_rests_and_is_asked_again(providers: Providers) -> None:
    endpoint = await providers.serve(moody(status(503), status(503), "0x5"))
    rpc = providers.rpc(endpoint)
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert sum(providers.slept) >= 1.5
    assert endpoint.failures == 0


async def test_an_endpoint_says_how_long_it_wants_to_rest(providers: Providers) -> None:
    limited = status(429, **{"Retry-After": "7"})
    rpc = providers.rpc(await providers.serve(moody(limited, "0x5")))
    assert await rpc.call("eth_blockNumber") == "0x5"
    assert 7 <= sum(providers.slept) < 9


async def test_nobody_answers(providers: Providers) -> None:
    rpc = providers.rpc(Endpoint(f"http://127.0.0.1:1/{SECRET}", "first", 1e9))
    with pytest.raises(Unreachable) as told:
        await rpc.call("eth_blockNumber")
    assert SECRET not in str(told.value)
    assert SECRET not in repr(rpc)
    assert SECRET not in repr(told.value.__cause__)


async def test_a_refusal_is_told_and_no_reason_to_ask_elsewhere(providers: Providers) -> None:
    first = await providers.serve(moody(error(-32602, "invalid params")), "first")
    second = await providers.serve(moody("0x5"), "second")
    with pytest.raises(RpcError, match="-32602: invalid params"):
        await providers.rpc(first, second).call("eth_call")


async def test_an_endpoint_of_another_chain_is_never_believed(providers: Providers) -> None:
    world = planted(1)
    other = await providers.serve(application(LocalChain(world)), "other")
    with pytest.raises(Unreachable):
        await providers.rpc(other, chain_id=1).call("eth_blockNumber")
    assert other.excluded


async def test_batches_are_cut_and_put_in_order(providers: Providers) -> None:
    seen = []

    def turned(asked: Any) -> web.Response:
        asked = asked if isinstance(asked, list) else [asked]
        seen.append(len(asked))
        rows = [{"jsonrpc": "2.0", "id": c["id"], "result": c["params"][0]} for c in asked]
        return web.json_response(rows[::-1] if len(rows) > 1 else rows[0])

    rpc = providers.rpc(await providers.serve(moody(turned)))
    calls = [("echo", (n,)) for n in range(2 * BATCH + 1)]
    assert await rpc.batch(calls) == list(range(2 * BATCH + 1))
    assert seen == [BATCH, BATCH, 1]


async def test_who_knows_no_batches_is_asked_one_by_one(providers: Providers) -> None:
    def single(asked: Any) -> web.Response:
        if isinstance(asked, list):
            told = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batch"}}
            return web.json_response(told)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]})

    rpc = providers.rpc(await providers.serve(moody(single)))
    assert await rpc.batch([("echo", (1,)), ("echo", (2,))]) == [[1], [2]]


async def test_no_more_calls_than_the_pace_allows(providers: Providers) -> None:
    endpoint = await providers.serve(moody("0x5"))
    endpoint.per_second = 10
    rpc = providers.rpc(endpoint)
    for _ in range(31):
        await rpc.call("eth_blockNumber")
    assert sum(providers.slept) == pytest.approx(3.1)  # the check of the chain is a call, too


async def test_an_answer_without_an_end_is_not_read_to_it(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compute.chain.rpc.MOST_BYTES", 1_000)
    rpc: Rpc = providers.rpc(await providers.serve(moody("x" * 300_000)))
    with pytest.raises(RpcError, match="too large"):
        await rpc.call("eth_getLogs")
