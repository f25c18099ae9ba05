"""A token on a real EVM is analysed through the gateway, with exact balances."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.compute.anvil.chain import Anvil, program, real_token
from tests.compute.anvil.launch import Launch
from tests.compute.simulated_token import SUPPLY, SimulatedToken, pairs, precision_and_recall
from tests.journeys.test_cluster import groups
from tests.journeys.test_invitation import Person
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(400),
    pytest.mark.skipif(program() is None, reason="anvil is missing: `make anvil` needs npm"),
]
CHAIN_ID = 31_999


@pytest.fixture(scope="module")
def simulated() -> SimulatedToken:
    return real_token(5)


@pytest.fixture(scope="module")
async def anvil(simulated: SimulatedToken) -> AsyncIterator[Anvil]:
    async with aiohttp.ClientSession() as session:
        anvil = Anvil(CHAIN_ID, session)
        anvil.start()
        try:
            await eventually(anvil.answers)
            await anvil.play(simulated)
            yield anvil
        finally:
            anvil.stop()


@pytest.fixture(scope="module")
async def launch(anvil: Anvil) -> Launch:
    """Another token on the same chain."""
    launch = Launch(anvil)
    await launch.play()
    return launch


@pytest.fixture
async def alice(
    stack: Stack, anvil: Anvil, simulated: SimulatedToken, tmp_path: Path
) -> AsyncIterator[Person]:
    """A signed-in user, with the services configured for the chain."""
    labels = tmp_path / "labels.csv"
    rows = [f"{CHAIN_ID},{name},exchange,Simulated,a test" for name in simulated.exchanges]
    labels.write_text("\n".join(["chain_id,address,kind,name,source", *rows]) + "\n")
    local = {"urls": [anvil.url], "chainId": CHAIN_ID, "perSecond": 100_000, "finality": 0}
    async with contextlib.AsyncExitStack() as open_:
        for name, extra in (
            ("compute", {"CHAINS": json.dumps({"anvil": local}), "LABELS_FILE": str(labels)}),
            ("gateway", {"EXTRA_CHAINS": json.dumps({"anvil": CHAIN_ID})}),
        ):
            stack.service(name).stop()
            open_.callback(stack.service(name).stop)
            await stack.service(name).start(**extra).ready()
        session = await open_.enter_async_context(aiohttp.ClientSession())
        yield await Person(stack, stack.service("gateway").url, session).sign_in()


async def report_of(alice: Person, token: str) -> dict[str, Any]:
    async def finished() -> Any:
        status, body = await alice.call("GET", f"/v1/tokens/cluster/anvil/{token}", "access")
        assert status in (200, 202), body
        await asyncio.sleep(1)  # as Retry-After asks: a user may read twice a second
        return body if status == 200 else None

    report: dict[str, Any] = await eventually(finished, seconds=120)
    return report


async def test_owners_are_found_and_balances_are_exact_on_a_real_chain(
    alice: Person, anvil: Anvil, simulated: SimulatedToken
) -> None:
    report = await report_of(alice, anvil.token)
    assert report["quality"]["logs"] == len(simulated.rows) >= 2_000
    assert report["quality"]["balancesVerified"], report["quality"]
    assert report["asOf"]["block"] == int(await anvil.call("eth_blockNumber"), 16)
    precision, recall = precision_and_recall(simulated, groups(report))
    assert precision >= 0.98
    assert recall >= 0.98
    held = {name: amount for name, amount in simulated.balances().items() if amount}
    listed: dict[str, int] = {}
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/tokens/cluster/anvil/{anvil.token}/holders?limit=500{cursor}"
        status, page = await alice.call("GET", path, "access")
        assert status == 200
        listed |= {row["address"].lower(): int(row["amount"]) for row in page["items"]}
        cursor = page["next"] and f"&cursor={page['next']}"
    assert listed == held
    assert sum(listed.values()) == SUPPLY
    data = [f"0x70a08231{name[2:]:0>64}" for name in held]
    calls = [[{"to": anvil.token, "data": each}, "latest"] for each in data]
    balances = await anvil.call_each("eth_call", calls)
    assert [int(balance, 16) for balance in balances] == list(held.values())
    assert report["token"]["deployer"].lower() == simulated.deployer


def owned_with(report: dict[str, Any], wallet: str) -> set[str]:
    """Return the wallets of a wallet's cluster; of the wallet alone if it has none."""
    return next((group for group in groups(report) if wallet in group), {wallet})


def links(report: dict[str, Any], kind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return from where, and through what, each wallet is linked by this kind of evidence."""
    return {
        each["to"].lower(): (each["from"].lower(), tuple(via.lower() for via in each["via"]))
        for cluster in report["clusters"]
        for each in cluster["evidence"]
        if each["type"] == kind
    }


async def test_a_launch_with_all_patterns_is_reported_on_a_real_chain(
    launch: Launch, alice: Person
) -> None:
    report = await report_of(alice, launch.token)
    assert report["quality"]["balancesVerified"], report["quality"]
    sources, funders = links(report, "firstSource"), links(report, "firstFunder")

    # A bundle, funded through go-betweens that never had the token
    assert owned_with(report, launch.bundle[0]) >= set(launch.bundle)
    between = zip(launch.go_betweens[::2], launch.go_betweens[1::2], strict=True)
    for wallet, passed in zip(launch.bundle, between, strict=True):
        assert funders[wallet] == (launch.funder, passed)

    # A multisender
    assert owned_with(report, launch.payer) == {launch.payer, *launch.receivers}
    for wallet in launch.receivers:
        assert sources[wallet] == (launch.payer, (launch.multisender,))

    # A Safe
    team = {launch.deployer, launch.treasury, *launch.team}
    assert owned_with(report, launch.treasury) == team

    # A drainer
    assert owned_with(report, launch.drainer) == {launch.drainer, launch.stash}
    for victim in launch.victims:
        assert owned_with(report, victim) == {victim}

    # Payments of the least there is, and false transfers in other names
    for wallet in (launch.framer, *(each for pair in launch.framed for each in pair)):
        assert owned_with(report, wallet) == {wallet}

    # An exchange without a label
    (exchange,) = (
        each for each in report["exclusions"] if each["address"].lower() == launch.exchange
    )
    assert (exchange["kind"], exchange["basis"]) == ("service", "behaviour")
    for wallet in (*launch.customers, *launch.strangers):
        assert owned_with(report, wallet) == {wallet}

    found = pairs([group - {launch.funder} for group in groups(report)])
    assert found == pairs(launch.owners)
