"""Every analysis ends with a report, whatever a token logs and its contract returns."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.analysis import Labels, Parameters, analyse, required_facts
from compute.chain_facts import (
    ChainFacts,
    Code,
    Funding,
    PinnedBlock,
    RequiredFacts,
    Sweep,
    TokenInfo,
    Transaction,
)
from compute.transfers import TransferRow, Transfers
from tests.compute.simulated_token import TOKEN, ZERO, hash_of

DEAD = "0x000000000000000000000000000000000000dead"
ADDRESSES = [ZERO, DEAD, TOKEN, f"0x{1:040x}", *(f"0x{n:040x}" for n in range(2**100, 2**100 + 6))]
AMOUNTS = (0, 1, 7, 100, 2**128, 2**256 - 1)
SUPPLIES = (0, 1, 50, 100, 10**9, 2**255, 2**256 - 1)
PINNED = PinnedBlock(10, hash_of(10), 120, finalized=True)
LABELS, PARAMETERS = Labels("none"), Parameters()


def any_facts(chance: random.Random, token: TokenInfo, required: RequiredFacts) -> ChainFacts:
    """Answer some of what is required, by anything that an endpoint may return."""

    def any_address() -> str:
        return chance.choice(ADDRESSES)

    def some(names: Any, *values: Any) -> dict[Any, Any]:
        return {name: chance.choice(values) for name in names if chance.random() < 0.9}

    return ChainFacts(
        1,
        PINNED,
        token,
        funders=some(required.funders, None, Funding(any_address(), hash_of(1), 1, 12)),
        balances=some(required.balances, None, 0, 5, 100, 2**256 - 1),
        codes=some(required.codes, Code(0, hash_of(0), b""), Code(10, hash_of(1), b"\x60")),
        nonces=some(required.nonces, 0, 1, 5_000),
        transactions=some(
            required.transactions, None, Transaction(any_address(), any_address(), frozenset())
        ),
        sweeps=some(required.sweeps, None, Sweep(any_address(), hash_of(2), 3, 5, 1)),
        requested=required,
    )


@pytest.mark.slow
@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_every_analysis_ends_with_a_report(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        TransferRow(
            chance.randint(1, 4), n, hash_of(chance.randint(0, 9)), chance.choice(ADDRESSES),
            chance.choice(ADDRESSES), chance.choice(AMOUNTS),
        )
        for n in range(chance.randint(0, 6))
    ]  # fmt: skip
    deployer = chance.choice((None, *ADDRESSES))
    token = TokenInfo(TOKEN, None, None, None, chance.choice(SUPPLIES), deployer, 1)
    transfers, facts = Transfers.of_rows(rows), ChainFacts(1, PINNED, token)
    for _ in range(9):
        required = required_facts(transfers, facts, LABELS, PARAMETERS)
        if not required:
            break
        facts = facts.merged(any_facts(chance, token, required))
    else:
        pytest.fail("facts are required for ever")
    output = analyse(transfers, facts, LABELS, PARAMETERS, chain="local", computed_at=1)
    assert output.report.model_dump_json()


@pytest.mark.parametrize("supply", SUPPLIES)
def test_more_may_be_burned_than_was_minted(supply: int) -> None:
    rows = [
        TransferRow(1, 0, hash_of(1), ADDRESSES[5], ZERO, 100),
        TransferRow(2, 0, hash_of(2), ADDRESSES[6], ADDRESSES[7], 10),
    ]
    token = TokenInfo(TOKEN, None, None, None, supply, None, 1)
    facts = ChainFacts(1, PINNED, token)
    transfers = Transfers.of_rows(rows)
    output = analyse(transfers, facts, LABELS, PARAMETERS, chain="local", computed_at=1)
    assert all(0 <= holder.share <= 1 for holder in output.holders)


def test_a_balance_may_exceed_all_numbers_of_a_contract() -> None:
    rows = [TransferRow(n, 0, hash_of(n), ZERO, ADDRESSES[5], 2**256 - 1) for n in range(1, 4)]
    rows.append(TransferRow(5, 0, hash_of(5), ADDRESSES[5], ZERO, 2**256 - 1))
    rows.append(TransferRow(6, 0, hash_of(6), ADDRESSES[5], ZERO, 2**256 - 1))
    token = TokenInfo(TOKEN, None, None, None, 2**256 - 1, None, 1)
    facts = ChainFacts(1, PINNED, token)
    transfers = Transfers.of_rows(rows)
    output = analyse(transfers, facts, LABELS, PARAMETERS, chain="local", computed_at=1)
    assert output.report.model_dump_json()
