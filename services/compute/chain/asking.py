"""Answers the questions of an analysis: kinds, balances, and who paid first."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from compute.chain.rpc import Rpc, RpcError
from compute.chain.token import BALANCE_OF, address_word, is_contract, number
from compute.facts import Address, Facts, Funding, Pinned, Questions, Token

NO_ARCHIVE: Final = "funding_unknown_without_archive"


async def answer(
    rpc: Rpc, token: Token, pinned: Pinned, questions: Questions, warnings: Sequence[str]
) -> Facts:
    """Everything at the pinned block.

    Raises:
        RpcError: what every endpoint can tell was refused.
    """
    block = hex(pinned.number)
    codes = await _all(rpc, [("eth_getCode", (name, block)) for name in questions.kinds])
    contracts = {
        name for name, code in zip(questions.kinds, codes, strict=True) if is_contract(code)
    }
    asked = [
        ("eth_call", ({"to": token.address, "data": BALANCE_OF + address_word(name)}, block))
        for name in questions.balances
    ]
    balances = [number(said) for said in await _all(rpc, asked)]
    people = [name for name in questions.funders if name not in contracts]
    found = list(warnings)
    try:
        funders = await first_funders(rpc, people, pinned.number)
    except RpcError:  # old states are not kept there: the rest of the report is as good
        funders = None
        found.append(NO_ARCHIVE)
    return Facts(
        chain_id=rpc.chain_id,
        pinned=pinned,
        token=token,
        contracts=frozenset(contracts),
        funders=funders or {},
        balances={
            name: held
            for name, held in zip(questions.balances, balances, strict=True)
            if held is not None
        },
        archive=funders is not None,
        warnings=tuple(found),
    )


async def first_funders(
    rpc: Rpc, names: Sequence[Address], last: int
) -> dict[Address, Funding | None]:
    """Who paid each address its first native coins, by plain calls.

    An address that has coins, or has sent a transaction, has had its first block; that never turns
    false again, so the block is found by bisection: all addresses together, two calls each a step.

    Raises:
        RpcError: the endpoint does not keep old states.
    """
    low, high = dict.fromkeys(names, 0), dict.fromkeys(names, last)
    used = await _used(rpc, dict.fromkeys(names, last))
    open_ = [name for name in names if used[name]]
    while searching := [name for name in open_ if low[name] < high[name]]:
        middle = {name: (low[name] + high[name]) // 2 for name in searching}
        for name, is_used in (await _used(rpc, middle)).items():
            if is_used:
                high[name] = middle[name]
            else:
                low[name] = middle[name] + 1
    first = {name: low[name] for name in open_}
    return dict.fromkeys(names) | await _payments(rpc, first)


async def _used(rpc: Rpc, at: Mapping[Address, int]) -> dict[Address, bool]:
    calls: list[tuple[str, Sequence[Any]]] = []
    for name, block in at.items():
        calls.append(("eth_getBalance", (name, hex(block))))
        calls.append(("eth_getTransactionCount", (name, hex(block))))
    said = await _all(rpc, calls)
    pairs = zip(at, said[::2], said[1::2], strict=True)
    return {name: int(coins, 16) > 0 or int(count, 16) > 0 for name, coins, count in pairs}


async def _payments(rpc: Rpc, first: Mapping[Address, int]) -> dict[Address, Funding | None]:
    """The transaction in its first block that paid each; none if it was paid from within one."""
    blocks = sorted(set(first.values()))
    whole = await _all(rpc, [("eth_getBlockByNumber", (hex(block), True)) for block in blocks])
    by_number = dict(zip(blocks, whole, strict=True))
    return {name: _payment(by_number[block], name, block) for name, block in first.items()}


def _payment(block: Mapping[str, Any], name: Address, number_: int) -> Funding | None:
    for each in block["transactions"]:
        if str(each.get("to")).lower() == name and int(each["value"], 16) > 0:
            return Funding(
                str(each["from"]).lower(), each["hash"], number_, int(block["timestamp"], 16)
            )
    return None


async def _all(rpc: Rpc, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """All results.

    Raises:
        RpcError: one of the calls was refused.
    """
    results = await rpc.batch(calls)
    for result in results:
        if isinstance(result, RpcError):
            raise result
    return results
