"""Whatever a provider answers, a call is repeated, sent elsewhere, made smaller or rejected."""

from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from compute.chain import RpcError, Unreachable
from compute.chain.rejections import Meaning, meaning_of, pause_of, rejection_of
from tests.compute.chain.conftest import Providers
from tests.compute.chain.test_rpc import error, scripted, status

HASH = "0x" + "ab" * 32
BLOCK = {"number": "0x5", "hash": HASH, "timestamp": "0x7", "transactions": []}

LIMITS = [
    (429, "Your app has exceeded its compute units per second capacity."),
    (-32005, "daily request count exceeded, request rate limited"),
    (-32007, "50/second request limit reached - reduce calls per second or upgrade your account"),
    (-32012, "credits limited to 6000/sec"),
    (-32016, "over rate limit"),
    (-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
    (-32000, "429 Too Many Requests: {}"),
    (-32005, "limit exceeded"),
    (-32000, "Monthly capacity limit exceeded. Visit https://example.com/key to upgrade"),
    (35, "You have reached your plan's daily limit"),
    (-32029, "Your IP has exceeded its requests per second limit"),
]
"""Rate limits and quotas of several providers."""
PASSING = [
    (-32603, "Internal error"),
    (-32000, "header not found"),
    (-32000, "missing trie node 5d (path ) state 0x5d is not available"),
    (-32000, "unknown block"),
    (-32001, "resource not found"),
    (-32002, "resource unavailable"),
    (-32011, "no backend is currently healthy to serve traffic"),
    (-32000, "something went wrong"),
    (-32000, "upstream request failed"),
    (0, ""),
]
"""Errors that say nothing about the call."""


@pytest.mark.parametrize(("code", "message"), LIMITS)
async def test_a_limit_in_any_dress_is_waited_for(
    code: int, message: str, providers: Providers
) -> None:
    endpoint = await providers.serve(scripted(error(code, message), error(code, message), "0x5"))
    assert await providers.rpc(endpoint).call("eth_getBalance", "0x", "0x1") == "0x5"
    assert sum(providers.slept) >= 1


@pytest.mark.parametrize(("code", "message"), [*LIMITS, *PASSING])
async def test_a_healthy_second_endpoint_answers_for_the_first(
    code: int, message: str, providers: Providers
) -> None:
    bad = await providers.serve(scripted(error(code, message)), "bad")
    good = await providers.serve(scripted("0x05"), "good")
    rpc = providers.rpc(bad, good)
    assert await rpc.call("eth_call", {}, "0x1") == "0x05"
    assert await rpc.call("eth_getBalance", "0x", "0x1") == "0x05"


@pytest.mark.parametrize(("code", "message"), PASSING)
async def test_an_error_that_may_pass_is_repeated_and_then_believed(
    code: int, message: str, providers: Providers
) -> None:
    once = providers.rpc(await providers.serve(scripted(error(code, message), "0x05")))
    assert await once.call("eth_getBalance", "0x", "0x1") == "0x05"
    always = providers.rpc(await providers.serve(scripted(error(code, message))))
    with pytest.raises(RpcError):
        await always.call("eth_getBalance", "0x", "0x1")


MALFORMED: list[tuple[str, Any]] = [
    ("eth_getBalance", None), ("eth_getBalance", "0x"), ("eth_getBalance", 5),
    ("eth_getBalance", {}), ("eth_getBalance", "12"), ("eth_getCode", None), ("eth_getCode", "0x1"),
    ("eth_getCode", "code"), ("eth_call", None), ("eth_call", []), ("eth_blockNumber", None),
    ("eth_getLogs", None), ("eth_getLogs", {}), ("eth_getLogs", [None]), ("eth_getLogs", ["x"]),
    ("eth_getLogs", [{"address": 5}]), ("eth_getBlockByNumber", {}), ("eth_getBlockByNumber", []),
    ("eth_getBlockByNumber", BLOCK | {"hash": None}),
    ("eth_getBlockByNumber", BLOCK | {"number": "0x6"}),
    ("eth_getBlockByNumber", BLOCK | {"transactions": None}),
    ("eth_getBlockByNumber", BLOCK | {"timestamp": 7}),
    ("eth_getBlockReceipts", [{}]), ("eth_getTransactionReceipt", {"logs": None}),
    ("eth_getTransactionByHash", {"hash": HASH}),
]  # fmt: skip
WELL_FORMED: dict[str, Any] = {
    "eth_getLogs": [],
    "eth_getBlockByNumber": BLOCK,
    "eth_getBlockReceipts": [],
    "eth_getTransactionReceipt": {"logs": []},
    "eth_getTransactionByHash": {
        "hash": HASH, "from": "0x" + "11" * 20, "to": None, "value": "0x0",
    },
}  # fmt: skip


@pytest.mark.parametrize(("method", "result"), MALFORMED)
async def test_a_malformed_result_is_never_used(
    method: str, result: Any, providers: Providers
) -> None:
    right = WELL_FORMED.get(method, "0x05")
    params = ("0x5", False) if method == "eth_getBlockByNumber" else ()
    one = providers.rpc(await providers.serve(scripted(result, right)))
    assert await one.call(method, *params) == right
    always = providers.rpc(await providers.serve(scripted(result)))
    with pytest.raises(Unreachable, match="malformed"):
        await always.call(method, *params)


async def test_a_null_that_may_be_true_is_believed_after_several(providers: Providers) -> None:
    once = providers.rpc(await providers.serve(scripted(None, BLOCK)))
    assert await once.block(5) == BLOCK
    always = providers.rpc(await providers.serve(scripted(None)))
    assert await always.block(5) is None
    behind = await providers.serve(scripted(None), "behind")
    assert await providers.rpc(behind, await providers.serve(scripted(BLOCK))).block(5) == BLOCK


REVERTS = [
    (3, "execution reverted"),
    (-32000, "execution reverted: paused"),
    (-32015, "VM execution error."),
    (-32000, "VM Exception while processing transaction: revert"),
    (-32000, "invalid opcode: INVALID"),
]


@pytest.mark.parametrize(("code", "message"), REVERTS)
async def test_a_revert_is_believed_from_two_sources(
    code: int, message: str, providers: Providers
) -> None:
    reverts = error(code, message)
    lone = providers.rpc(await providers.serve(scripted(reverts, "0x05")))
    assert await lone.call("eth_call") == "0x05"
    first, second = (
        await providers.serve(scripted(reverts)),
        await providers.serve(scripted("0x05"), "b"),
    )
    assert await providers.rpc(first, second).call("eth_call") == "0x05"
    again = await providers.serve(scripted(reverts), "c")
    with pytest.raises(RpcError):
        await providers.rpc(first, again).call("eth_call")


async def test_no_return_data_is_believed_from_two_sources(providers: Providers) -> None:
    nothing = await providers.serve(scripted("0x"), "nothing")
    assert await providers.rpc(nothing).call("eth_call") == "0x"
    assert (
        await providers.rpc(nothing, await providers.serve(scripted("0x05"), "b")).call("eth_call")
        == "0x05"
    )


# Batches


def respond(call: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call["id"], "result": call["params"][0]}


def batch_error(call_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": message}}


def limited_to(most: int, refuse: Any) -> Any:
    """Answer batches of up to `most` calls; `refuse` the others."""

    def answer(asked: Any) -> Any:
        if isinstance(asked, list):
            return (
                web.json_response([respond(c) for c in asked])
                if len(asked) <= most
                else refuse(asked)
            )
        return web.json_response(respond(asked))

    return answer


class Dropped(web.Response):
    """Close the connection instead of a response."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        assert request.transport is not None
        request.transport.close()
        return await super().prepare(request)


def drop(_asked: Any) -> web.Response:
    return Dropped()


def batch_refused(code: int, message: str, http: int = 200) -> web.Response:
    return web.json_response(batch_error(None, code, message), status=http)


BATCH_REFUSALS: dict[str, Any] = {
    "geth": lambda asked: web.json_response(
        [batch_error(asked[0]["id"], -32600, "batch too large")]
    ),
    "erigon": lambda _: batch_refused(-32000, "batch limit 100 exceeded"),
    "null-in-list": lambda _: web.json_response(
        [batch_error(None, -32600, "Batch size too large")]
    ),
    "413": lambda _: web.Response(status=413, text="Request Entity Too Large"),
    "400": lambda _: batch_refused(-32600, "max batch size exceeded", 400),
    "truncated": lambda asked: web.Response(text=str([respond(c) for c in asked])[:-30]),
    "too-large": lambda asked: web.json_response(
        [respond(asked[0])]
        + [batch_error(c["id"], -32003, "response too large") for c in asked[1:]]
    ),
    "left-out": lambda asked: web.json_response([respond(c) for c in asked[:3]]),
    "duplicates": lambda asked: web.json_response(
        [respond(c) | {"id": asked[0]["id"]} for c in asked]
    ),
    "504": lambda _: web.Response(status=504, text="<html>timeout</html>"),
    "dropped": drop,
}  # fmt: skip


@pytest.mark.parametrize("style", BATCH_REFUSALS)
@pytest.mark.parametrize("most", [1, 10])
async def test_a_batch_that_is_refused_is_halved(
    style: str, most: int, providers: Providers
) -> None:
    endpoint = await providers.serve(scripted(limited_to(most, BATCH_REFUSALS[style])))
    rpc = providers.rpc(endpoint)
    calls = [("echo", (n,)) for n in range(100)]
    assert await rpc.batch(calls) == list(range(100))
    spent = rpc.calls
    assert await rpc.batch(calls) == list(range(100))
    assert rpc.calls - spent <= 2 * 100  # the size is remembered
    assert endpoint.failures == 0


async def test_a_limit_on_some_calls_of_a_batch_keeps_the_others(providers: Providers) -> None:
    seen: Counter[int] = Counter()

    def answer(asked: Any) -> web.Response:
        asked = asked if isinstance(asked, list) else [asked]
        seen.update(call["params"][0] for call in asked)
        refused = batch_error(None, -32007, "25/second request limit reached")
        rows = [respond(c) if n < 25 else refused | {"id": c["id"]} for n, c in enumerate(asked)]
        return web.json_response(rows if len(rows) > 1 else rows[0])

    rpc = providers.rpc(await providers.serve(scripted(answer)))
    assert await rpc.batch([("echo", (n,)) for n in range(50)]) == list(range(50))
    assert max(seen.values()) == 2
    assert seen.total() == 75


async def test_a_limit_on_all_batches_of_a_size_leads_to_smaller_ones(providers: Providers) -> None:
    refuse = lambda _: batch_refused(-32005, "rate limit exceeded")  # noqa: E731
    rpc = providers.rpc(await providers.serve(scripted(limited_to(5, refuse))))
    assert await rpc.batch([("echo", (n,)) for n in range(50)]) == list(range(50))


async def test_one_rejected_call_leaves_the_other_results(providers: Providers) -> None:
    def answer(asked: Any) -> web.Response:
        asked = asked if isinstance(asked, list) else [asked]
        missing = batch_error(None, -32000, "missing trie node")
        rows = [missing | {"id": c["id"]} if c["params"][0] == 7 else respond(c) for c in asked]
        return web.json_response(rows if len(rows) > 1 else rows[0])

    first = await providers.serve(scripted(answer), "first")
    results = await providers.rpc(first).batch([("echo", (n,)) for n in range(20)])
    assert [n for n, result in enumerate(results) if isinstance(result, RpcError)] == [7]
    second = await providers.serve(scripted(limited_to(50, drop)), "second")
    results = await providers.rpc(first, second).batch([("echo", (n,)) for n in range(20)])
    assert results == list(range(20))


@pytest.mark.parametrize(
    "failure",
    [
        status(401), status(402), status(403), status(500), status(504), status(524), status(429),
        lambda _: web.Response(text=""),
        lambda _: web.Response(text="null"),
        lambda _: web.Response(text="[]"),
        lambda _: web.Response(text="[[]]"),
        lambda _: web.Response(text='{"jsonrpc": "2.0", "id": 1, "resu'),
        lambda _: web.Response(text="<html>Just a moment...</html>"),
        lambda _: web.Response(body=b"\xff\xfe\x00"),
        lambda asked: web.json_response({"jsonrpc": "2.0", "id": asked["id"]}),
        lambda asked: web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": "busy"}),
        lambda asked: web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": []}),
        lambda asked: web.json_response({"id": asked["id"], "error": {"code": "x"}}),
        drop,
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["eth_getBalance", "eth_call"])
async def test_a_response_that_is_no_answer_is_never_a_crash(
    failure: Any, method: str, providers: Providers
) -> None:
    once = providers.rpc(await providers.serve(scripted(failure, "0x05"), "once"))
    assert await once.call(method) == "0x05"
    bad = await providers.serve(scripted(failure), "bad")
    good = await providers.serve(scripted("0x05"), "good")
    assert await providers.rpc(bad, good).call(method) == "0x05"
    with pytest.raises((Unreachable, RpcError)):
        await providers.rpc(bad).call(method)


async def test_an_endpoint_that_refuses_connections_costs_no_smaller_batches(
    providers: Providers,
) -> None:
    endpoint = await providers.serve(scripted(drop), "first")
    endpoint.url = "http://127.0.0.1:1/"
    endpoint.checked = True
    with pytest.raises(Unreachable, match="ClientConnectorError"):
        await providers.rpc(endpoint).batch([("echo", (n,)) for n in range(50)])
    assert endpoint.batch == 50


@pytest.mark.parametrize(("code", "message"), LIMITS)
def test_limits_are_recognised(code: int, message: str) -> None:
    assert meaning_of(RpcError(code, message), "eth_call") is Meaning.RATE


@pytest.mark.parametrize(
    "message",
    [
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
        "Under the Free tier plan, you can make requests with up to a 10 block range. Upgrade to",
        "query returned more than 10000 results",
        "limit exceeded",
        "ranges over 10000 blocks are not supported on freetier",
        "eth_getLogs is limited to a 5 range",
        "exceed maximum block range: 50000",
    ],
)
def test_a_limit_of_logs_is_no_rate_limit(message: str) -> None:
    assert meaning_of(RpcError(-32005, message), "eth_getLogs") is Meaning.SIZE


@pytest.mark.parametrize(
    ("message", "data", "seconds"),
    [
        ("call rate limit exhausted, retry in 10s", None, 10),
        ("retry in 10m0s", None, 600),
        ("try again in 250ms", None, 0.25),
        ("request rate exceeded", {"backoff_seconds": 30.0}, 30),
        ("request rate exceeded", {"try_again_in": "1.5s"}, 1.5),
        ("request rate exceeded", {"try_again_in": None}, None),
        ("request rate exceeded", ["x"], None),
    ],
)
def test_a_limit_may_say_how_long_to_wait(message: str, data: Any, seconds: float | None) -> None:
    assert pause_of(message, data) == seconds


def test_the_url_in_a_message_is_removed() -> None:
    rejection, _ = rejection_of({"code": 1, "message": "see https://example.com/v2/KEY for more"})
    assert "KEY" not in str(rejection)
