"""All transfers are read from every kind of provider, with few more calls than needed."""

from typing import Any

import pytest

from compute.chain import EvmChain, RpcError
from compute.chain.log_decoding import TRANSFER, decode
from compute.chain.transfer_logs import (
    FIRST_WINDOW,
    LogsRefused,
    Window,
    read_transfers,
    suggested_size,
)
from compute.ports import AnalysisFailure
from compute.transfers import TransferRange, Transfers
from deploy.local.chain import STYLES, RpcRejection, SimulatedChain
from tests.compute.chain.conftest import Providers
from tests.compute.simulated_token import TOKEN, ZERO, SimulatedToken, simulated_token


@pytest.fixture(scope="module")
def simulated() -> SimulatedToken:
    return simulated_token(1)


def rows(transfers: Transfers) -> list[tuple[int, int, str, str, str, int]]:
    return [
        (
            int(transfers.block[n]),
            int(transfers.log_index[n]),
            transfers.tx_hash(n),
            transfers.address(int(transfers.sender[n])),
            transfers.address(int(transfers.recipient[n])),
            transfers.amount(n),
        )
        for n in range(len(transfers))
    ]


async def read(chain: SimulatedChain, providers: Providers, first: int = 0) -> list[TransferRange]:
    rpc = await providers.of(chain)
    found = [each async for each in read_transfers(rpc, TOKEN, first, chain.head)]
    ends = [(each.from_block, each.to_block) for each in found]
    assert [begin for begin, _ in ends] == [first, *(end + 1 for _, end in ends[:-1])]
    assert ends[-1][1] == chain.head
    return found


def expected(chain: SimulatedChain, simulated: SimulatedToken) -> list[Any]:
    return [(row.block * (1 + chain.gap), 0, *row[2:]) for row in simulated.rows]


def ideal(chain: SimulatedChain, simulated: SimulatedToken, style: str) -> int:
    """The fewest windows that the provider's limits allow."""
    refusals = STYLES.get(style)
    blocks = (refusals and refusals.blocks) or chain.head + 1
    results = chain.results or (refusals and refusals.results) or len(simulated.rows)
    return max(-(-(chain.head + 1) // blocks), -(-len(simulated.rows) // results))


@pytest.mark.slow
@pytest.mark.parametrize("style", ["", *STYLES])
@pytest.mark.parametrize("gap", [0, 60])
async def test_all_logs_are_read_from_every_style_of_provider(
    style: str, gap: int, simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated, style=style, gap=0 if style == "quicknode-free" else gap)
    if style and STYLES[style].results:
        chain.results = 100
    found = Transfers.concatenate([each.transfers for each in await read(chain, providers)])
    assert rows(found) == expected(chain, simulated)
    growing = 6  # windows that are smaller than possible, at the beginning
    assert chain.calls["eth_getLogs"] <= 3 * ideal(chain, simulated, style) + growing


async def test_a_block_over_the_limit_is_read_from_its_receipts(providers: Providers) -> None:
    full = SimulatedToken(3)
    for row in simulated_token(3).rows[1:200]:
        full.rows.append(row._replace(block=2, log_index=len(full.rows)))
    full.rows.sort()
    chain = SimulatedChain(full, style="infura", results=50)
    found = Transfers.concatenate([each.transfers for each in await read(chain, providers)])
    assert len(found) == 200
    assert chain.calls["eth_getBlockReceipts"] == 1


async def test_receipts_are_read_one_by_one_if_they_must(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimulatedToken(3)
    for row in simulated_token(3).rows[1:40]:
        full.rows.append(row._replace(block=2))
    chain = SimulatedChain(full, style="infura", results=10)
    original = chain.answer

    def none(method: str, params: list[Any]) -> Any:
        return original("eth_unknown" if method == "eth_getBlockReceipts" else method, params)

    monkeypatch.setattr(chain, "answer", none)
    found = Transfers.concatenate([each.transfers for each in await read(chain, providers)])
    assert len(found) == 40


async def test_a_provider_that_rejects_everything_is_given_up(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain(simulated)
    methods = ("eth_getLogs", "eth_getBlockReceipts", "eth_getTransactionReceipt")
    refuse(chain, monkeypatch, *methods)
    with pytest.raises(RpcError, match="not available"):
        await read(chain, providers, first=1)


async def test_a_node_that_lags_behind_is_not_used(
    simulated: SimulatedToken, providers: Providers
) -> None:
    """It would silently return fewer logs."""
    behind, good = SimulatedChain(simulated, lagging=50), SimulatedChain(simulated)
    rpc = await providers.of(behind, good)
    found = [each async for each in read_transfers(rpc, TOKEN, 0, good.head)]
    assert len(Transfers.concatenate([each.transfers for each in found])) == len(simulated.rows)


async def test_reading_in_steps_finds_the_same_transfers(
    simulated: SimulatedToken, providers: Providers
) -> None:
    chain = SimulatedChain(simulated, style="range-1000", gap=20)
    rpc = await providers.of(chain)
    found = []
    at = 0
    while at <= chain.head:  # killed after every segment
        async for each in read_transfers(rpc, TOKEN, at, chain.head):
            found.append(each.transfers)
            at = each.to_block + 1
            break
    assert rows(Transfers.concatenate(found)) == expected(chain, simulated)


def test_other_logs_are_left_out() -> None:
    word, name = "0x" + "0" * 63 + "7", "0x" + "0" * 24 + "11" * 20
    good = {
        "address": TOKEN.upper().replace("X", "x"),
        "topics": [
            "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef", name, name,
        ],
        "data": word,
        "blockNumber": "0x5",
        "logIndex": "0x0",
        "transactionHash": "0x" + "ab" * 32,
        "removed": False,
    }  # fmt: skip
    wrong: list[Any] = [
        lambda log: log | {"address": ZERO},
        lambda log: log | {"topics": [*log["topics"], name]},  # an ERC-721's
        lambda log: log | {"topics": log["topics"][:2]},
        lambda log: log | {"topics": None},
        lambda log: log | {"removed": True},
        lambda log: log | {"data": "0x"},
        lambda log: log | {"blockNumber": "0x9"},
    ]
    logs = [good, *(change(good) | {"logIndex": hex(n)} for n, change in enumerate(wrong, 1))]
    (row,) = rows(decode(logs, TOKEN, 1, 8))
    assert row[5] == 7


def transfer_log(**changes: Any) -> dict[str, Any]:
    name = "0x" + "0" * 24 + "11" * 20
    return {
        "address": TOKEN,
        "topics": [TRANSFER, name, name.replace("1", "2")],
        "data": "0x" + "0" * 63 + "7",
        "blockNumber": "0x5",
        "transactionIndex": "0x0",
        "logIndex": "0x0",
        "transactionHash": "0x" + "ab" * 32,
        "removed": False,
    } | changes


def test_addresses_may_be_in_the_data() -> None:
    log = transfer_log()
    first, second, value = log["topics"][1][2:], log["topics"][2][2:], log["data"][2:]
    layouts = [
        log,
        log | {"topics": [TRANSFER], "data": f"0x{first}{second}{value}"},
        log | {"topics": [TRANSFER, "0x" + first], "data": f"0x{second}{value}"},
    ]
    for layout in layouts:
        (row,) = rows(decode([layout], TOKEN, 1, 8))
        assert row[3:] == ("0x" + "11" * 20, "0x" + "22" * 20, 7)
    no_address = log | {"topics": [TRANSFER], "data": f"0x{'f' * 64}{second}{value}"}
    short = log | {"topics": [TRANSFER], "data": f"0x{first}{second}"}
    assert rows(decode([no_address, short], TOKEN, 1, 8)) == []


def test_a_pending_log_is_ignored() -> None:
    pending = transfer_log(blockNumber=None, logIndex=None, transactionHash=None)
    assert len(decode([pending, transfer_log()], TOKEN, 1, 8)) == 1


@pytest.mark.parametrize("index", [lambda n: hex(n % 2), lambda _: None, lambda n: hex(2**40 + n)])
def test_logs_that_are_counted_per_transaction_are_all_read(index: Any) -> None:
    logs = [
        transfer_log(
            transactionHash=f"0x{n // 2:064x}",
            transactionIndex=hex(n // 2),
            logIndex=index(n),
            data=f"0x{n:064x}",
        )
        for n in range(10)
    ]
    found = rows(decode(logs[::-1] if index(0) else logs, TOKEN, 1, 8))
    assert [(row[1], row[5]) for row in found] == [(n, n) for n in range(10)]


def test_a_log_that_is_sent_twice_counts_once() -> None:
    log, other = transfer_log(), transfer_log(transactionHash="0x" + "cd" * 32)
    assert len(decode([log, log], TOKEN, 1, 8)) == 1
    assert len(decode([log, other, log, other], TOKEN, 1, 8)) == 2


async def test_a_provider_without_logs_is_read_from_receipts(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain(simulated)
    refuse(chain, monkeypatch, "eth_getLogs")
    found = Transfers.concatenate([each.transfers for each in await read(chain, providers)])
    assert rows(found) == expected(chain, simulated)
    assert chain.calls.total() <= 2 * (chain.head + 1) + 50


async def test_a_provider_without_logs_says_so_if_there_are_too_many_blocks(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain(simulated, gap=3)
    monkeypatch.setattr("compute.chain.transfer_logs.MAX_RECEIPT_BLOCKS", 100)
    refuse(chain, monkeypatch, "eth_getLogs")
    with pytest.raises(LogsRefused, match="too many"):
        await read(chain, providers)
    assert chain.calls.total() <= 100


async def test_a_provider_without_logs_and_receipts_says_so(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = SimulatedChain(simulated)
    refuse(chain, monkeypatch, "eth_getLogs", "eth_getBlockReceipts")
    evm = EvmChain(await providers.of(chain))
    with pytest.raises(AnalysisFailure, match="Another endpoint is needed") as failure:
        async for _ in evm.sync(TOKEN, 0, chain.head):
            pass
    assert failure.value.code == "provider_unavailable"


async def test_logs_are_read_from_the_endpoint_that_has_them(
    simulated: SimulatedToken, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    none, good = SimulatedChain(simulated), SimulatedChain(simulated)
    refuse(none, monkeypatch, "eth_getLogs")
    rpc = await providers.of(none, good)
    found = [each.transfers async for each in read_transfers(rpc, TOKEN, 0, good.head)]
    assert rows(Transfers.concatenate(found)) == expected(good, simulated)
    assert none.calls["eth_getLogs"] == 1
    assert none.calls["eth_getBlockReceipts"] == 0


async def test_logs_of_another_branch_are_not_used(
    simulated: SimulatedToken, providers: Providers
) -> None:
    """A load balancer may send two calls of one request to nodes on different branches."""
    split, good = SimulatedChain(simulated), SimulatedChain(simulated)
    original = split._get_logs

    def elsewhere(query: dict[str, Any]) -> Any:
        return [each | {"blockHash": "0x" + "ee" * 32} for each in original(query)]

    split._get_logs = elsewhere  # type: ignore[method-assign]
    rpc = await providers.of(split, good)
    found = [each.transfers async for each in read_transfers(rpc, TOKEN, 0, good.head)]
    assert rows(Transfers.concatenate(found)) == expected(good, simulated)
    assert good.calls["eth_getLogs"] == 1


def refuse(chain: SimulatedChain, monkeypatch: pytest.MonkeyPatch, *methods: str) -> None:
    original = chain.answer

    def refused(method: str, params: list[Any]) -> Any:
        result = original(method, params)
        if method in methods:
            raise RpcRejection(-32601, f"the method {method} is not available")
        return result

    monkeypatch.setattr(chain, "answer", refused)


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Try with this block range [0x64, 0x70].", (13, False)),
        ("this block range should work: [0x64, 0x1388]", (None, False)),  # more than was asked
        ("query exceeds max results 20000, retry with the range 100-150", (51, False)),
        ("query exceeds max results 20000, retry with the range 100-1099", (None, False)),
        ("eth_getLogs is limited to a 5 range", (5, True)),
        ("block range is too wide, maximum is set to 500", (500, True)),
        ("range 1000 exceeds limit of 900", (900, True)),
        ("query returned more than 10000 results", (None, False)),
        ("something went wrong", (None, False)),
    ],
)
def test_an_error_message_suggests_fewer_blocks_or_nothing(
    message: str, hint: tuple[int | None, bool]
) -> None:
    assert suggested_size(message, 100, 1_099) == hint


def test_a_window_grows_on_few_results_and_shrinks_at_once() -> None:
    window = Window()
    window.grow(FIRST_WINDOW, 0)
    assert window.size == 2 * FIRST_WINDOW
    window.shrink(2 * FIRST_WINDOW, None, hard=False)
    assert window.size == FIRST_WINDOW
    window.shrink(FIRST_WINDOW, 5, hard=True)
    for _ in range(20):
        window.grow(window.size, 0)
    assert window.size == 5
    for asked in range(2, 100):
        window = Window(size=asked)
        window.shrink(asked, asked, hard=False)
        assert window.size < asked
