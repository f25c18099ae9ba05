"""All transfers are read from every kind of provider, with few more calls than needed."""

from typing import Any

import pytest

from compute.chain import RpcError
from compute.chain.log_decoding import decode
from compute.chain.transfer_logs import (
    FIRST_WINDOW,
    Window,
    read_transfers,
    suggested_size,
)
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
    original = chain.answer

    def refuse(method: str, params: list[Any]) -> Any:
        if method in ("eth_getLogs", "eth_getBlockReceipts", "eth_getTransactionReceipt"):
            raise RpcRejection(-32000, "not for you")
        return original(method, params)

    monkeypatch.setattr(chain, "answer", refuse)
    with pytest.raises(RpcError, match="not for you"):
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
