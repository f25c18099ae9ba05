"""Run a complete analysis on a world, through the code that reads real chains."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from benchmarks.worlds.node import CHAIN_ID, Node, Rejection
from benchmarks.worlds.world import World
from compute.analysis import Labels, Parameters, analyse, required_facts
from compute.chain.endpoint import Endpoint
from compute.chain.evm import EvmChain
from compute.chain.rpc import RpcClient
from compute.chain_facts import ChainFacts, RequiredFacts
from compute.gathering import FACT_ROUNDS
from compute.transfers import TransferRange, Transfers
from contracts.cluster_report import ClusterReport

PER_SECOND = 25.0
"""Calls that the simulated provider allows."""


@dataclass(slots=True)
class NodeEndpoint(Endpoint):
    """Answer requests from a world instead of the network."""

    node: Node | None = None

    async def post(self, session: Any, body: object) -> Any:  # noqa: ARG002  as an endpoint has it
        sent = orjson.loads(orjson.dumps(body))  # what cannot be sent is an error
        if isinstance(sent, list):
            return [self._respond(call) for call in sent]
        return self._respond(sent)

    def _respond(self, call: dict[str, Any]) -> dict[str, Any]:
        assert self.node is not None
        head = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return head | {"result": self.node.answer(call["method"], call["params"])}
        except Rejection as rejection:
            return head | {"error": {"code": rejection.code, "message": str(rejection)}}


@dataclass
class PacedClock:
    """Count the seconds that a client would wait for its provider's rate."""

    now: float = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


@dataclass
class Analysed:
    """Hold what an analysis of a world returned and what it cost."""

    world: World
    chain: EvmChain
    report: ClusterReport
    transfers: Transfers
    facts: ChainFacts
    labels: Labels
    calls: int
    seconds: float
    """Seconds that the calls take at `PER_SECOND`."""
    methods: dict[str, int] = field(default_factory=dict)
    """Calls by method."""


def analysed(world: World, parameters: Parameters | None = None) -> Analysed:
    """Analyse a world as the worker does."""
    return asyncio.run(_analyse(world, parameters or Parameters()))


def analysed_again(before: Analysed, parameters: Parameters) -> ClusterReport:
    """Analyse with other parameters: on the facts known already, and those needed besides."""
    transfers, labels = before.transfers, before.labels
    facts = asyncio.run(_complete(before.chain, transfers, before.facts, labels, parameters))
    return _report(transfers, facts, labels, parameters)


async def _analyse(world: World, parameters: Parameters) -> Analysed:
    clock, node = PacedClock(), Node(world)
    endpoint = NodeEndpoint("http://world", "world", PER_SECOND, node=node)
    rpc = RpcClient(
        cast("Any", None), [endpoint], CHAIN_ID, clock=lambda: clock.now, sleep=clock.sleep
    )
    chain = EvmChain(rpc)
    labels = Labels("worlds", world.labels)
    pinned = await chain.pinned()
    token = await chain.token(world.token, pinned)
    read: list[TransferRange] = [
        part async for part in chain.sync(world.token, token.created_block, pinned.number)
    ]
    transfers = TransferRange.concatenate(read).transfers
    facts = await chain.fetch_facts(token, pinned, RequiredFacts())
    facts = await _complete(chain, transfers, facts, labels, parameters)
    return Analysed(
        world=world,
        chain=chain,
        report=_report(transfers, facts, labels, parameters),
        transfers=transfers,
        facts=facts,
        labels=labels,
        calls=rpc.calls,
        seconds=clock.now,
        methods=dict(node.calls),
    )


async def _complete(
    chain: EvmChain,
    transfers: Transfers,
    facts: ChainFacts,
    labels: Labels,
    parameters: Parameters,
) -> ChainFacts:
    """Fetch facts in rounds, as the worker does."""
    for _ in range(FACT_ROUNDS):
        required = required_facts(transfers, facts, labels, parameters)
        if not required:
            break
        facts = facts.merged(await chain.fetch_facts(facts.token, facts.pinned, required))
    return facts


def _report(
    transfers: Transfers, facts: ChainFacts, labels: Labels, parameters: Parameters
) -> ClusterReport:
    output = analyse(
        transfers, facts, labels, parameters, chain="ethereum", computed_at=facts.pinned.timestamp
    )
    return output.report
