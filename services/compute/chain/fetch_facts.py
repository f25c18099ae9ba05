"""Fetch the facts an analysis requires: which addresses are contracts, balances, first funders."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from compute.chain.origin import is_contract
from compute.chain.rejections import RpcError
from compute.chain.rpc import Call, RpcClient
from compute.chain.token import BALANCE_OF, address_word, number
from compute.chain_facts import (
    Address,
    ChainFacts,
    Funding,
    PinnedBlock,
    RequiredFacts,
    TokenInfo,
)

NO_ARCHIVE: Final = "funding_unknown_without_archive"


async def fetch_facts(
    rpc: RpcClient,
    token: TokenInfo,
    pinned: PinnedBlock,
    required: RequiredFacts,
    warnings: Sequence[str],
) -> ChainFacts:
    """Return the required facts at the pinned block, and add to `warnings` what is missing.

    Raises:
        RpcError: a call was rejected that every endpoint supports.
        Unreachable: no endpoint responds.
    """
    contracts = await _contracts(rpc, required.kinds, pinned)
    balances = await _balances(rpc, token, required.balances, pinned)
    wallets = [address for address in required.funders if address not in contracts]
    try:
        funders = await first_funders(rpc, wallets, pinned.number)
    except RpcError:  # the endpoint keeps no old states; the rest of the report is unaffected
        funders = None
        warnings = [*warnings, NO_ARCHIVE]
    return ChainFacts(
        chain_id=rpc.chain_id,
        pinned=pinned,
        token=token,
        contracts=contracts,
        funders=funders or {},
        balances=balances,
        block_times=await _block_times(rpc, required.blocks),
        archive=funders is not None,
        warnings=tuple(warnings),
        requested=required,
    )


async def _contracts(
    rpc: RpcClient, addresses: Sequence[Address], pinned: PinnedBlock
) -> frozenset[Address]:
    block = hex(pinned.number)
    codes = await rpc.call_all([("eth_getCode", (address, block)) for address in addresses])
    pairs = zip(addresses, codes, strict=True)
    return frozenset(address for address, code in pairs if is_contract(code))


async def _block_times(rpc: RpcClient, numbers: Sequence[int]) -> dict[int, int]:
    """Return the times of the blocks that the endpoint has."""
    blocks = await rpc.batch([("eth_getBlockByNumber", (hex(n), False)) for n in numbers])
    return {
        number: int(block["timestamp"], 16)
        for number, block in zip(numbers, blocks, strict=True)
        if isinstance(block, dict)
    }


async def _balances(
    rpc: RpcClient, token: TokenInfo, addresses: Sequence[Address], pinned: PinnedBlock
) -> dict[Address, int]:
    block = hex(pinned.number)
    calls = [
        ("eth_call", ({"to": token.address, "data": BALANCE_OF + address_word(address)}, block))
        for address in addresses
    ]
    balances = map(number, await rpc.call_all(calls))
    pairs = zip(addresses, balances, strict=True)
    return {address: balance for address, balance in pairs if balance is not None}


async def first_funders(
    rpc: RpcClient, addresses: Sequence[Address], last: int
) -> dict[Address, Funding | None]:
    """Find who sent each address its first native coins, using plain calls.

    Once an address has coins or has sent a transaction, it counts as used, for ever. Bisection
    finds the first such block: all addresses together, two calls per address and step.

    Args:
        rpc: The chain.
        addresses: Lower-case addresses, without contracts.
        last: The last block to consider.

    Raises:
        RpcError: the endpoint keeps no old states.
        Unreachable: no endpoint responds.
    """
    low, high = dict.fromkeys(addresses, 0), dict.fromkeys(addresses, last)
    used_by_now = await _used(rpc, dict.fromkeys(addresses, last))
    used = [address for address in addresses if used_by_now[address]]
    while searching := [address for address in used if low[address] < high[address]]:
        middle = {address: (low[address] + high[address]) // 2 for address in searching}
        for address, is_used in (await _used(rpc, middle)).items():
            if is_used:
                high[address] = middle[address]
            else:
                low[address] = middle[address] + 1
    first = {address: low[address] for address in used}
    return dict.fromkeys(addresses) | await _payments(rpc, first)


async def _used(rpc: RpcClient, blocks: Mapping[Address, int]) -> dict[Address, bool]:
    """Return whether each address has been used by its block."""
    calls: list[Call] = []
    for address, block in blocks.items():
        calls.append(("eth_getBalance", (address, hex(block))))
        calls.append(("eth_getTransactionCount", (address, hex(block))))
    results = await rpc.call_all(calls)
    rows = zip(blocks, results[::2], results[1::2], strict=True)
    return {address: int(coins, 16) > 0 or int(count, 16) > 0 for address, coins, count in rows}


async def _payments(rpc: RpcClient, first: Mapping[Address, int]) -> dict[Address, Funding | None]:
    """Find the payment to each address in its first block."""
    numbers = sorted(set(first.values()))
    blocks = await rpc.call_all([("eth_getBlockByNumber", (hex(n), True)) for n in numbers])
    by_number = dict(zip(numbers, blocks, strict=True))
    return {address: _payment(by_number[n], address, n) for address, n in first.items()}


def _payment(block: Mapping[str, Any], address: Address, block_number: int) -> Funding | None:
    """Return the block's first payment to an address; None if a contract call made it."""
    for each in block["transactions"]:
        if str(each.get("to")).lower() == address and int(each["value"], 16) > 0:
            return Funding(
                str(each["from"]).lower(),
                each["hash"],
                block_number,
                int(block["timestamp"], 16),
            )
    return None
