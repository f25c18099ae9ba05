"""All transfers, whatever the provider makes of it, and not many more calls than it needs."""

from typing import Any

import pytest

from compute.chain import RpcError
from compute.chain.logs import FIRST_WINDOW, Segment, Window, decoded, hinted, read_transfers
from compute.transfers import Transfers
from deploy.local.chain import STYLES, LocalChain, Refused
from tests.compute.chain.conftest import Providers
from tests.compute.worlds import TOKEN, ZERO, World, planted


@pytest.fixture(scope="module")
def world() -> World:
    return planted(1)


def rows(transfers: Transfers) -> list[tuple[int, int, str, str, str, int]]:
    return [
        (
            int(transfers.block[n]),
            int(transfers.log_index[n]),
            transfers.tx_hash(n),
            transfers.name(int(transfers.sender[n])),
            transfers.name(int(transfers.recipient[n])),
            transfers.amount(n),
        )
        for n in range(len(transfers))
    ]


async def read(chain: LocalChain, providers: Providers, first: int = 0) -> list[Segment]:
    rpc = await providers.of(chain)
    found = [each async for each in read_transfers(rpc, TOKEN, first, chain.head)]
    ends = [(each.from_block, each.to_block) for each in found]
    assert [begin for begin, _ in ends] == [first, *(end + 1 for _, end in ends[:-1])]
    assert ends[-1][1] == chain.head
    return found


def expected(chain: LocalChain, world: World) -> list[Any]:
    return [(row.block * (1 + chain.gap), 0, *row[2:]) for row in world.rows]


def ideal(chain: LocalChain, world: World, style: str) -> int:
    """The fewest windows that the provider's limits allow."""
    refusals = STYLES.get(style)
    blocks = (refusals and refusals.blocks) or chain.head + 1
    results = chain.results or (refusals and refusals.results) or len(world.rows)
    return max(-(-(chain.head + 1) // blocks), -(-len(world.rows) // results))


@pytest.mark.parametrize("style", ["", *STYLES])
@pytest.mark.parametrize("gap", [0, 60])
async def test_every_style_of_provider_gives_all_logs(
    style: str, gap: int, world: World, providers: Providers
) -> None:
    chain = LocalChain(world, style=style, gap=0 if style == "quicknode-free" else gap)
    if style and STYLES[style].results:
        chain.results = 100
    found = Transfers.joined([each.transfers for each in await read(chain, providers)])
    assert rows(found) == expected(chain, world)
    growing = 6  # windows that are smaller than they could be, at the beginning
    assert chain.asked["eth_getLogs"] <= 3 * ideal(chain, world, style) + growing


async def test_one_block_over_the_cap_is_read_from_its_receipts(providers: Providers) -> None:
    full = World(3)
    for row in planted(3).rows[1:200]:
        full.rows.append(row._replace(block=2, log_index=len(full.rows)))
    full.rows.sort()
    chain = LocalChain(full, style="infura", results=50)
    found = Transfers.joined([each.transfers for each in await read(chain, providers)])
    assert len(found) == 200
    assert chain.asked["eth_getBlockReceipts"] == 1


async def test_without_receipts_of_a_block_they_are_asked_one_by_one(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = World(3)
    for row in planted(3).rows[1:40]:
        full.rows.append(row._replace(block=2))
    chain = LocalChain(full, style="infura", results=10)
    answer = chain.answer

    def none(method: str, params: list[Any]) -> Any:
        return answer("eth_unknown" if method == "eth_getBlockReceipts" else method, params)

    monkeypatch.setattr(chain, "answer", none)
    found = Transfers.joined([each.transfers for each in await read(chain, providers)])
    assert len(found) == 40


async def test_a_provider_that_refuses_everything_is_told_and_not_asked_for_ever(
    world: World, providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = LocalChain(world)
    answer = chain.answer

    def refuse(method: str, params: list[Any]) -> Any:
        if method in ("eth_getLogs", "eth_getBlockReceipts", "eth_getTransactionReceipt"):
            raise Refused(-32000, "not for you")
        return answer(method, params)

    monkeypatch.setattr(chain, "answer", refuse)
    with pytest.raises(RpcError, match="not for you"):
        await read(chain, providers, first=1)


async def test_a_node_that_lags_behind_is_not_believed(world: World, providers: Providers) -> None:
    """It would answer with fewer logs, and without a word."""
    behind, good = LocalChain(world, lagging=50), LocalChain(world)
    rpc = await providers.of(behind, good)
    found = [each async for each in read_transfers(rpc, TOKEN, 0, good.head)]
    assert len(Transfers.joined([each.transfers for each in found])) == len(world.rows)


async def test_reading_on_is_the_same_as_reading_at_once(
    world: World, providers: Providers
) -> None:
    chain = LocalChain(world, style="range-1000", gap=20)
    rpc = await providers.of(chain)
    found = []
    at = 0
    while at <= chain.head:  # killed after every segment
        async for each in read_transfers(rpc, TOKEN, at, chain.head):
            found.append(each.transfers)
            at = each.to_block + 1
            break
    assert rows(Transfers.joined(found)) == expected(chain, world)


def test_what_is_no_transfer_of_this_token_is_left_out() -> None:
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
    (row,) = rows(decoded(logs, TOKEN, 1, 8))
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
def test_words_are_a_hint_and_never_a_reason_to_ask_for_as_much(
    message: str, hint: tuple[int | None, bool]
) -> None:
    assert hinted(message, 100, 1_099) == hint


def test_a_window_grows_where_there_is_little_and_shrinks_at_once() -> None:
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
