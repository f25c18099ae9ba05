"""Facts are fetched within a budget of calls, from every kind of provider."""

import sys
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from compute.chain.fetch_facts import NO_ARCHIVE, fetch_facts
from compute.chain.multicall import MulticallLimits
from compute.chain.receipts import ENTRY_POINTS, SAFE_EXECUTIONS, USER_OPERATION, transaction
from compute.chain.rpc import Call
from compute.chain_facts import (
    ChainFacts,
    Funding,
    PinnedBlock,
    RequiredFacts,
    TokenInfo,
    Transaction,
)
from tests.compute.chain.simulated_node import BUSY, COIN, SimulatedNode, Wallet, launch

HEAD = 23_000_000
TOKEN = TokenInfo("0x" + "70" * 20, "Token", "T", 18, 10**27, None, 1)
AMPLE = 10**9


async def facts_of(
    node: Any, required: RequiredFacts, limits: MulticallLimits | None = None
) -> ChainFacts:
    pinned = PinnedBlock(node.head, "0x00", node.head * 12, finalized=True)
    return await fetch_facts(node, TOKEN, pinned, required, limits=limits or MulticallLimits())


def wrong(facts: ChainFacts, wallets: Mapping[str, Wallet]) -> list[str]:
    """Return the wallets whose funder was found and is another one."""
    return [
        address
        for address, funding in facts.funders.items()
        if funding is None or (funding.funder, funding.block) != expected(wallets[address])
    ]


def expected(wallet: Wallet) -> tuple[str, int]:
    return wallet.funder, wallet.block


def everything(wallets: Mapping[str, Wallet], calls: int) -> RequiredFacts:
    """Return what an analysis of this many holders asks for."""
    names = tuple(wallets)
    hashes = tuple(f"0x{n:064x}" for n in range(len(names) // 20))
    return RequiredFacts(
        codes=names,
        balances=names[:5_000],
        nonces=names[: len(names) // 20],
        transactions=hashes,
        funders=names,
        calls=calls,
    )


@pytest.mark.parametrize(
    ("holders", "each", "coverage"),
    [
        (100, 150, 0.99),
        (300, 50, 0.99),
        (500, 30, 0.99),  # ten minutes at 25 calls a second, whatever the number of holders
        (1_000, 15, 0.99),
        (5_000, 3, 0.70),
        pytest.param(60_000, 1.5, 0.70, marks=[pytest.mark.slow, pytest.mark.timeout(500)]),
    ],
)
async def test_a_launch_takes_few_calls_per_holder(
    holders: int, each: float, coverage: float, capsys: pytest.CaptureFixture[str]
) -> None:
    wallets = launch(holders, seed=holders, blocks=HEAD)
    node = SimulatedNode(wallets, HEAD)
    facts = await facts_of(node, everything(wallets, int(holders * each)))
    assert node.calls.total() == facts.calls <= holders * each
    assert wrong(facts, wallets) == []
    share = len(facts.funders) / holders
    largest = list(wallets)[:100]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{holders} holders: {facts.calls / holders:.2f} calls each, first funders of"
            f" {share:.1%}, of the 100 largest {sum(name in facts.funders for name in largest)}\n"
        )
    assert share > coverage
    assert facts.skipped.get("funders", 0) == holders - len(facts.funders)
    assert len(facts.codes) == holders


async def test_without_a_limit_every_first_funder_is_found() -> None:
    wallets = launch(300, seed=3, blocks=HEAD)
    node = SimulatedNode(wallets, HEAD)
    facts = await facts_of(node, RequiredFacts(funders=tuple(wallets), calls=AMPLE))
    assert wrong(facts, wallets) == []
    assert len(facts.funders) == 300
    assert facts.skipped == {}


def with_emptied(seed: int, count: int = 60) -> dict[str, Wallet]:
    """Return wallets of which most were emptied, and some refilled by others long after."""
    random = Random(seed)
    wallets = {}
    for number in range(count):
        block = random.randrange(1, HEAD // 2)
        emptied = random.choice((None, random.randrange(block + 1, HEAD)))
        refilled = emptied and random.choice((None, random.randrange(emptied + 1, HEAD + 1)))
        wallets[f"0x{number + 1:040x}"] = Wallet(
            f"0x{seed:02x}{number:038x}", block, emptied, refilled
        )
    return wallets


KINDS: list[dict[str, Any]] = [
    {},
    {"runs_programs": False},
    {"most_items": 7},
    {"most_items": 1},
    {"done_items": 5},
    {"hashes_from": HEAD // 3},
    {"hashes_from": HEAD + 1},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
async def test_emptied_and_refilled_wallets_have_their_first_funder(
    kind: dict[str, Any], seed: int
) -> None:
    wallets = with_emptied(seed)
    node = SimulatedNode(wallets, HEAD, **kind)
    facts = await facts_of(node, RequiredFacts(funders=tuple(wallets), calls=AMPLE))
    assert wrong(facts, wallets) == []
    assert len(facts.funders) == len(wallets)
    assert facts.calls == node.calls.total()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("calls", [0, 1, 10, 200, 1_000])
async def test_the_budget_is_kept_and_the_rest_is_counted(kind: dict[str, Any], calls: int) -> None:
    wallets = with_emptied(4, 200)
    node = SimulatedNode(wallets, HEAD, **kind)
    facts = await facts_of(node, RequiredFacts(funders=tuple(wallets), calls=calls))
    assert facts.calls == node.calls.total()
    assert facts.calls <= calls
    assert facts.skipped.get("funders", 0) == 200 - len(facts.funders)
    assert wrong(facts, wallets) == []


async def test_the_most_important_addresses_are_searched_first() -> None:
    wallets = with_emptied(5, 300)
    node = SimulatedNode(wallets, HEAD)
    facts = await facts_of(node, RequiredFacts(funders=tuple(wallets), calls=1_200))
    found = [name in facts.funders for name in wallets]
    assert sum(found[:20]) >= 18 > sum(found[-20:])


def crowded_launch(seed: int) -> tuple[dict[str, Wallet], set[str], int]:
    """Return many large old wallets and small groups of new ones, these groups, and the launch."""
    random, launched = Random(seed), HEAD - 200_000
    old = [random.randrange(1, launched - 110_000) for _ in range(1_500)]
    alone = [launched + random.randrange(-14_000, 60_000) for _ in range(400)]
    wallets = {
        f"0x{number + 1:040x}": Wallet(f"0x{number:040x}", block)
        for number, block in enumerate(old + alone)
    }
    group = set[str]()
    for funder in range(12):
        block = launched + random.randrange(60_000)
        for _ in range(6):
            block += random.randrange(1, 20)
            group.add(name := f"0x{0xAA:02x}{len(group):038x}")
            wallets[name] = Wallet(f"0x{0xFF:02x}{funder:038x}", block)
    return wallets, group, launched


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_new_wallets_of_small_holders_come_before_large_old_ones(seed: int) -> None:
    wallets, group, launched = crowded_launch(seed)
    windows = dict.fromkeys(wallets, (launched - 100_000, launched + 80_000))
    node = SimulatedNode(wallets, HEAD)
    required = RequiredFacts(funders=tuple(wallets), relevant=windows, calls=3 * len(wallets))
    facts = await facts_of(node, required)
    assert wrong(facts, wallets) == []
    assert group <= facts.funders.keys()
    assert facts.calls == node.calls.total() <= required.calls
    assert facts.skipped["funders"] == len(wallets) - len(facts.funders)


async def test_wallets_that_had_the_token_before_any_coins_come_last() -> None:
    wallets = {
        f"0x{number + 1:040x}": Wallet(f"0x{number + 5_000:040x}", HEAD - 50_000 + 97 * number)
        for number in range(400)
    }
    names = list(wallets)
    late = {name: (HEAD - 150_000, wallets[name].block - 5_000) for name in names[::2]}
    ready = {name: (HEAD - 150_000, wallets[name].block + 5_000) for name in names[1::2]}
    required = RequiredFacts(funders=tuple(names), relevant=late | ready, calls=2_200)
    facts = await facts_of(SimulatedNode(wallets, HEAD), required)
    assert sum(name in facts.funders for name in ready) > 180
    assert sum(name in facts.funders for name in late) < 60


async def test_a_wallet_that_was_used_long_before_takes_no_more_calls_than_another() -> None:
    wallets = with_emptied(9, 20)
    windows = dict.fromkeys(wallets, (HEAD - 200_000, HEAD - 100_000))
    required = RequiredFacts(funders=tuple(wallets), relevant=windows, calls=AMPLE)
    facts = await facts_of(SimulatedNode(wallets, HEAD), required)
    assert wrong(facts, wallets) == []
    assert facts.calls < 25 * len(wallets)


async def test_an_address_that_was_never_paid_has_no_funder() -> None:
    node = SimulatedNode({}, HEAD)
    facts = await facts_of(node, RequiredFacts(funders=("0x" + "77" * 20,)))
    assert facts.funders == {"0x" + "77" * 20: None}
    assert facts.calls == 2


async def test_a_last_payment_is_not_searched_before_the_first_one() -> None:
    """A wallet of the last days takes two thirds of the calls."""
    wallets = {f"0x{n:040x}": Wallet("0x01", HEAD - 50_000, HEAD - 10 * n) for n in range(1, 11)}
    calls = []
    for known in ({}, {name: each.block for name, each in wallets.items()}):
        node = SimulatedNode(wallets, HEAD)
        required = RequiredFacts(sweeps=tuple(wallets), used_from=known, calls=AMPLE)
        facts = await facts_of(node, required)
        assert facts.sweeps == dict.fromkeys(wallets)  # this node does not list what they sent
        calls.append(facts.calls)
    assert calls[1] < 0.75 * calls[0]


@pytest.mark.parametrize("runs_programs", [True, False])
async def test_without_old_states_funders_and_sweeps_are_not_looked_for(
    runs_programs: bool,  # noqa: FBT001  a row of the table
) -> None:
    wallets = with_emptied(6)
    node = SimulatedNode(wallets, HEAD, archive=False, runs_programs=runs_programs)
    names = tuple(wallets)
    facts = await facts_of(node, RequiredFacts(funders=names, codes=names, sweeps=names[:2]))
    assert not facts.archive
    assert facts.warnings == (NO_ARCHIVE,)
    assert (len(facts.codes), len(facts.funders)) == (60, 0)


@pytest.mark.parametrize("runs_programs", [True, False])
async def test_a_node_that_returns_zeros_for_dropped_states_is_no_archive(
    runs_programs: bool,  # noqa: FBT001  a row of the table
) -> None:
    wallets = with_emptied(7)
    node = SimulatedNode(wallets, HEAD, zeros_before=HEAD - 90_000, runs_programs=runs_programs)
    facts = await facts_of(node, RequiredFacts(funders=tuple(wallets), calls=AMPLE))
    assert not facts.archive
    assert facts.warnings == (NO_ARCHIVE,)
    assert wrong(facts, wallets) == []


class DoubtfulNode(SimulatedNode):
    """Return zero for one account, of which blocks show that it has sent transactions."""

    def _nonce(self, address: str, block: int) -> int:
        return 0 if address == BUSY else super()._nonce(address, block)


async def test_one_wrong_number_does_not_end_the_search_for_funders() -> None:
    wallets = launch(40, seed=3, blocks=HEAD)
    unpaid = dict.fromkeys(["0x" + "e1" * 20, "0x" + "e2" * 20], Wallet("0x00", 9_000_000))
    node = DoubtfulNode({**wallets, **unpaid}, HEAD)
    node._payments.pop(9_000_000)  # a contract paid them: the state before their block is doubted
    facts = await facts_of(node, RequiredFacts(funders=tuple(node.wallets), calls=AMPLE))
    assert facts.archive
    assert wrong(facts, node.wallets) == list(unpaid)
    assert len(facts.funders) == len(node.wallets)


class TwoNodes(SimulatedNode):
    """Ask another node if a result of the first one is in doubt."""

    def __init__(self, first: SimulatedNode, second: SimulatedNode) -> None:
        super().__init__(first.wallets, first.head)
        self.first, self.second = first, second

    async def batch(self, calls: Sequence[Call], **options: Any) -> list[Any]:
        doubted = options["doubted"]
        results = await self.first.batch(calls)
        return [
            (await self.second.batch([call]))[0] if doubted(call, result) else result
            for call, result in zip(calls, results, strict=True)
        ]


async def test_another_endpoint_is_asked_for_states_that_the_first_has_dropped() -> None:
    wallets = with_emptied(8)
    nodes = TwoNodes(
        SimulatedNode(wallets, HEAD, zeros_before=HEAD - 90_000), SimulatedNode(wallets, HEAD)
    )
    facts = await facts_of(nodes, RequiredFacts(funders=tuple(wallets), calls=AMPLE))
    early = {name for name, wallet in wallets.items() if wallet.block <= HEAD // 1_024}
    assert facts.archive
    assert set(wrong(facts, wallets)) <= early
    assert len(facts.funders) == len(wallets)


async def test_what_a_provider_accepts_is_found_out_once() -> None:
    wallets = launch(2_000, seed=2, blocks=HEAD)
    node, limits = SimulatedNode(wallets, HEAD, most_items=300), MulticallLimits()
    for _ in range(2):
        node.calls.clear()
        await facts_of(node, RequiredFacts(codes=tuple(wallets)), limits)
    assert node.calls == {"eth_call": 2_000 / 125}
    refusing, limits = SimulatedNode(wallets, HEAD, runs_programs=False), MulticallLimits()
    for _ in range(2):
        refusing.calls.clear()
        await facts_of(refusing, RequiredFacts(codes=tuple(wallets)), limits)
    assert refusing.calls == {"eth_getCode": 2_000}


SENDER, OTHER, CONTRACT = "0x" + "a1" * 20, "0x" + "a2" * 20, "0x" + "c0" * 20
PAID = "0x" + "b1" * 20
BLOCK = 1_000_000


def naming(sender: str, number: int, value: int = COIN) -> dict[str, Any]:
    """Return a transaction that sends coins to a contract and names `PAID` in its data."""
    data = "0x12345678" + PAID[2:].rjust(64, "0")
    return {
        "hash": f"0x{number:064x}", "from": sender, "to": CONTRACT, "value": hex(value),
        "input": data,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("others", "failed", "funder"),
    [
        ([naming(SENDER, 1)], (), SENDER),
        ([naming(SENDER, 1), naming(SENDER, 2)], (), SENDER),
        ([naming(SENDER, 1, COIN * 5)], (), SENDER),
        ([naming(SENDER, 1, 1)], (), None),  # one wei cannot have paid a coin
        ([naming(OTHER, 1, 1), naming(SENDER, 2)], (), SENDER),
        ([naming(OTHER, 1), naming(SENDER, 2)], (), None),  # it may be either
        ([naming(OTHER, 1), naming(SENDER, 2)], (1,), SENDER),
        ([naming(SENDER, 1)], (1,), None),
        ([naming(SENDER, 1, 0)], (), None),
        ([], (), None),
    ],
)
async def test_a_payment_through_a_contract_counts_as_its_callers(
    others: Sequence[dict[str, Any]], failed: Sequence[int], funder: str | None
) -> None:
    node = SimulatedNode({PAID: Wallet("0x00", BLOCK)}, HEAD)
    node._payments.clear()  # what a contract pays is not listed in a block
    node.others[BLOCK] = list(others)
    for each in others:
        status = "0x0" if int(each["hash"], 16) in failed else "0x1"
        node.receipts[each["hash"]] = {"status": status, "logs": []}
    facts = await facts_of(node, RequiredFacts(funders=(PAID,)))
    found = facts.funders[PAID]
    assert (found and found.funder) == funder
    if found is not None:
        assert found == Funding(SENDER, found.tx_hash, BLOCK, BLOCK * 12, via=CONTRACT)


def receipt(number: int, block: int = 5, **fields: Any) -> dict[str, Any]:
    name = f"0x{number:064x}"
    return {
        "transactionHash": name,
        "block": block,
        "from": SENDER,
        "to": CONTRACT,
        "logs": [],
    } | fields


async def test_transactions_of_one_block_are_one_call() -> None:
    node = SimulatedNode({}, HEAD)
    receipts = [receipt(n, n // 10) for n in range(100)]
    node.receipts = {each["transactionHash"]: each for each in receipts}
    names = tuple(node.receipts)
    blocks = {each["transactionHash"]: each["block"] for each in receipts if each["block"] < 8}
    facts = await facts_of(node, RequiredFacts(transactions=names, block_of=blocks))
    assert node.calls == {"eth_getBlockReceipts": 8, "eth_getTransactionReceipt": 20}
    assert set(facts.transactions) == set(names)
    assert all(each is not None and each.sender == SENDER for each in facts.transactions.values())


@pytest.mark.parametrize(
    ("emitter", "topics", "accounts"),
    [
        (min(ENTRY_POINTS), [USER_OPERATION, "0x01", PAID[2:].rjust(64, "0")], {PAID}),
        (CONTRACT, [USER_OPERATION, "0x01", PAID[2:].rjust(64, "0")], set()),  # a false report
        (min(ENTRY_POINTS), ["0x01", "0x01", PAID[2:].rjust(64, "0")], set()),
        (CONTRACT, [min(SAFE_EXECUTIONS)], {CONTRACT}),
        (CONTRACT, [max(SAFE_EXECUTIONS), "0x01"], {CONTRACT}),
        (CONTRACT, [], set()),
    ],
)
def test_smart_accounts_act_by_the_logs_of_those_who_execute_them(
    emitter: str, topics: list[str], accounts: set[str]
) -> None:
    acted = transaction(receipt(1, logs=[{"address": emitter, "topics": topics}]))
    assert acted == Transaction(SENDER, CONTRACT, frozenset(accounts))
