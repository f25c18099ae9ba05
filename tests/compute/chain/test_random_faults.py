"""One healthy endpoint suffices: whatever the other one answers, the report is the same."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.analysis import Labels, Parameters, analyse, required_facts
from compute.chain import Endpoint, EvmChain, RpcClient
from compute.chain.endpoint import EndpointFailure, TooHeavy
from compute.chain_facts import RequiredFacts
from compute.transfers import Transfers
from deploy.local.chain import RpcRejection, SimulatedChain
from deploy.local.settings import CHAIN_ID
from tests.compute.chain.test_faults import LIMITS, PASSING, REVERTS
from tests.compute.simulated_token import TOKEN, simulated_token

Response = dict[str, Any]
Fault = Callable[[random.Random, list[Response]], Any]
PARAMETERS = Parameters(funders_of=10, kinds_of=40)


def fail(error: Exception) -> Fault:
    """Fail the entire request."""

    def raised(_chance: random.Random, _responses: list[Response]) -> Any:
        raise error

    return raised


def of_some(change: Callable[[random.Random, Response], Response]) -> Fault:
    """Change the responses to some calls of a request."""

    def changed(chance: random.Random, responses: list[Response]) -> list[Response]:
        share = chance.choice((0.1, 0.5, 1.0))
        return [change(chance, each) if chance.random() < share else each for each in responses]

    return changed


def with_error(each: Response, code: int, message: str) -> Response:
    return {"jsonrpc": "2.0", "id": each["id"], "error": {"code": code, "message": message}}


NONSENSE: tuple[Any, ...] = (
    None,
    "",
    "0x",
    0,
    [],
    {},
    [None],
    "nonsense",
    "0xzz",
    True,
    1.5,
    {"number": "0x1"},
)
"""Results of wrong types; `0x` is a result of some methods, and left out for those."""


def nonsense(chance: random.Random, each: Response) -> Response:
    result = chance.choice(NONSENSE)
    right = each.get("result")
    hides = (isinstance(right, list) and result == []) or (
        result in ("", "0x") and isinstance(right, str) and each["method"] == "eth_getCode"
    )
    return each if hides else each | {"result": result}


FAULTS: list[Fault] = [
    fail(EndpointFailure("HTTP status 503")),
    fail(EndpointFailure("too many requests", 2.0, limited=True)),
    fail(TooHeavy("no response in time")),
    fail(TooHeavy("the connection broke off")),
    of_some(lambda chance, each: with_error(each, *chance.choice(LIMITS))),
    of_some(lambda chance, each: with_error(each, *chance.choice(PASSING))),
    of_some(lambda chance, each: with_error(each, *chance.choice(REVERTS))),
    of_some(lambda _, each: with_error(each, -32602, "invalid params")),
    of_some(lambda _, each: with_error(each, -32601, "the method is not available")),
    of_some(lambda _, each: each | {"error": "busy"}),
    of_some(lambda _, each: {"jsonrpc": "2.0", "id": each["id"]}),
    of_some(lambda _, each: each | {"id": -1}),
    of_some(nonsense),
    lambda _, responses: with_error(responses[0], -32600, "batch too large"),
    lambda _, responses: [with_error(responses[0], -32600, "batch too large")],
    lambda _, responses: with_error(responses[0], -32600, "batch too large") | {"id": None},
    lambda _, responses: with_error(responses[0], -32005, "rate limit") | {"id": None},
    lambda chance, responses: chance.sample(responses, len(responses) // 2),
    lambda _, responses: [each | {"id": responses[0]["id"]} for each in responses],
    lambda _, _responses: None,
    lambda _, _responses: [],
    lambda _, _responses: {},
    lambda _, _responses: "busy",
    lambda _, responses: [*responses, None],
]


@dataclass(slots=True)
class ChainEndpoint(Endpoint):
    """Answer from a simulated chain in this process, with a fault now and then."""

    chain: SimulatedChain = field(kw_only=True)
    chance: random.Random = field(default_factory=random.Random)
    rate: float = 0.0
    """Share of the requests that meet a fault."""

    async def post(self, session: aiohttp.ClientSession, body: Any) -> Any:
        del session
        calls = body if isinstance(body, list) else [body]
        responses = [self._response(call) for call in calls]
        faulty = self.chance.random() < self.rate
        answer = self.chance.choice(FAULTS)(self.chance, responses) if faulty else responses
        if isinstance(body, dict) and isinstance(answer, list) and len(answer) == 1:
            return answer[0]
        return answer

    def _response(self, call: dict[str, Any]) -> Response:
        head = {"jsonrpc": "2.0", "id": call["id"], "method": call["method"]}
        try:
            return head | {"result": self.chain.answer(call["method"], call["params"])}
        except RpcRejection as rejection:
            return with_error(head, rejection.code, rejection.message)
        except (TypeError, KeyError, ValueError):
            return with_error(head, -32602, "invalid params")


def evm_of(*endpoints: Endpoint) -> EvmChain:
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += max(0.0, seconds)

    session = cast("aiohttp.ClientSession", None)
    return EvmChain(RpcClient(session, endpoints, CHAIN_ID, clock=lambda: now, sleep=sleep))


async def report_of(evm: EvmChain) -> str:
    assert (await evm.pinned()).number <= HEAD  # an endpoint may lag behind
    pinned = await evm_of(healthy()).pinned()
    token = await evm.token(TOKEN, pinned)
    read = [each.transfers async for each in evm.sync(TOKEN, token.created_block, pinned.number)]
    transfers, labels = Transfers.concatenate(read), Labels("none")
    facts = await evm.fetch_facts(token, pinned, RequiredFacts())
    while required := required_facts(transfers, facts, labels, PARAMETERS):
        facts = facts.merged(await evm.fetch_facts(token, pinned, required))
    facts = replace(facts, calls=0)
    output = analyse(transfers, facts, labels, PARAMETERS, chain="local", computed_at=1)
    return output.report.model_dump_json()


SIMULATED = simulated_token(2)
_expected: list[str] = []


async def expected() -> str:
    """Return the report without faults."""
    if not _expected:
        _expected.append(await report_of(evm_of(healthy())))
    return _expected[0]


NODES = [
    SimulatedChain(SIMULATED, gap=3),
    SimulatedChain(SIMULATED, gap=3, archive=False),
    SimulatedChain(SIMULATED, gap=3, lagging=40),
    SimulatedChain(SIMULATED, gap=3, style="range-1000"),
]
"""Nodes of one chain; the first has no limits."""
HEAD = NODES[0].head


def healthy() -> ChainEndpoint:
    return ChainEndpoint("", "healthy", 1e9, chain=NODES[0])


@dataclass(frozen=True)
class Case:
    """Describe a faulty endpoint, and its place among the endpoints."""

    seed: int
    rate: float
    is_first: bool
    node: int
    """Index in `NODES`."""

    def endpoints(self) -> list[Endpoint]:
        chance = random.Random(self.seed)
        faulty = ChainEndpoint(
            "", "faulty", 1e9, chain=NODES[self.node], chance=chance, rate=self.rate
        )
        return [faulty, healthy()] if self.is_first else [healthy(), faulty]


CASES = st.builds(
    Case,
    seed=st.integers(0, 2**32),
    rate=st.sampled_from((0.05, 0.3, 0.7, 1.0)),
    is_first=st.booleans(),
    node=st.sampled_from(range(len(NODES))),
)


@pytest.mark.slow
@settings(max_examples=40)
@given(CASES)
async def test_the_report_is_that_without_faults(case: Case) -> None:
    assert await report_of(evm_of(*case.endpoints())) == await expected()
