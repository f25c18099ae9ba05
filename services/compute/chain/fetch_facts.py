"""Fetch the facts that an analysis requires, within its budget of calls.

What is cheap comes first: code, balances and what contracts are take one call for hundreds of
addresses. Each kind of fact may take a share of the calls that are left: none takes all, and some
are left for the questions that the answers raise.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from compute.chain.accounts import Accounts
from compute.chain.calls import Calls
from compute.chain.first_funders import FirstFunders
from compute.chain.multicall import Multicall, MulticallLimits
from compute.chain.payments import Payments
from compute.chain.probes import probe
from compute.chain.receipts import Receipts
from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient
from compute.chain.sweeps import Sweeps
from compute.chain.usage import Usage
from compute.chain_facts import (
    ChainFacts,
    PinnedBlock,
    RequiredFacts,
    TokenInfo,
)

STATE_SHARE: Final = Fraction(1, 2)
"""Share of the calls left for codes, then for balances, then for probes."""
ACTS_SHARE: Final = Fraction(1, 3)
"""The same for receipts, then for nonces."""
SWEEPS_SHARE: Final = Fraction(1, 5)
FUNDERS_SHARE: Final = Fraction(4, 5)
NO_ARCHIVE: Final = "funding_unknown_without_archive"


async def fetch_facts(
    rpc: RpcClient,
    token: TokenInfo,
    pinned: PinnedBlock,
    required: RequiredFacts,
    *,
    warnings: Sequence[str] = (),
    limits: MulticallLimits,
) -> ChainFacts:
    """Return the required facts at the pinned block, and add to `warnings` what is missing.

    Raises:
        Unreachable: no endpoint responds.
    """
    calls = Calls(rpc, required.calls)
    accounts = Accounts(calls, Multicall(calls, limits))
    facts = ChainFacts(rpc.chain_id, pinned, token, warnings=tuple(warnings), requested=required)
    facts = await _current(facts, accounts, required)
    facts = await _acts(facts, accounts, required)
    facts = await _old(facts, accounts, required)
    return replace(facts, skipped=_skipped(facts, required), calls=calls.made)


async def _current(facts: ChainFacts, accounts: Accounts, required: RequiredFacts) -> ChainFacts:
    """Add what the state at the pinned block says."""
    block, calls = facts.pinned.number, accounts.calls
    with calls.at_most(STATE_SHARE):
        codes = await accounts.codes(required.codes, block)
    with calls.at_most(STATE_SHARE):
        balances = await accounts.balances(facts.token.address, required.balances, block)
    with calls.at_most(STATE_SHARE):
        probes = await probe(accounts, required.probes, block)
    return replace(
        facts,
        codes=codes,
        balances=balances,
        probes=probes,
        block_times=await _block_times(calls, required.blocks),
    )


async def _acts(facts: ChainFacts, accounts: Accounts, required: RequiredFacts) -> ChainFacts:
    """Add who signed transactions, and how many each address has signed."""
    calls = accounts.calls
    with calls.at_most(ACTS_SHARE):
        receipts = Receipts(calls)
        transactions = await receipts.transactions(required.transactions, required.block_of)
    with calls.at_most(ACTS_SHARE):
        nonces = await accounts.nonces(required.nonces, facts.pinned.number)
    return replace(facts, transactions=transactions, nonces=nonces)


async def _old(facts: ChainFacts, accounts: Accounts, required: RequiredFacts) -> ChainFacts:
    """Add what only old states tell; without them the rest of the report is unaffected."""
    payments = Payments(accounts)
    last, multicall = facts.pinned.number, accounts.multicall
    sweeps = {}
    try:
        with accounts.calls.at_most(SWEEPS_SHARE):
            sweeps = await Sweeps(accounts, last).find(required.sweeps, required.used_from)
        if required.funders:
            usage = Usage(accounts, multicall, await multicall.supported(last))
            with accounts.calls.at_most(FUNDERS_SHARE):
                await FirstFunders(
                    accounts.calls, usage, payments, required.funders, last, required.relevant
                ).search()
    except RpcError:  # no endpoint keeps old states
        facts = replace(facts, archive=False, warnings=(*facts.warnings, NO_ARCHIVE))
    return replace(facts, funders=payments.found, sweeps=sweeps)


async def _block_times(calls: Calls, numbers: Sequence[int]) -> dict[int, int]:
    """Return the times of the blocks that the endpoint has."""
    asked = calls.affordable(numbers)
    blocks = await calls.batch([("eth_getBlockByNumber", (hex(n), False)) for n in asked])
    return {
        number: int(block["timestamp"], 16)
        for number, block in zip(asked, blocks, strict=True)
        if isinstance(block, dict)
    }


def _skipped(facts: ChainFacts, required: RequiredFacts) -> dict[str, int]:
    """Return how many facts are missing, by name."""
    pairs = {
        "codes": (required.codes, facts.codes),
        "nonces": (required.nonces, facts.nonces),
        "transactions": (required.transactions, facts.transactions),
        "funders": (required.funders, facts.funders),
        "sweeps": (required.sweeps, facts.sweeps),
    }
    missing = {
        name: sum(each not in found for each in asked) for name, (asked, found) in pairs.items()
    }
    return {name: count for name, count in missing.items() if count}
