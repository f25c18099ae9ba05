"""Tokens whose transfers and contract disagree: what the report says that holders have."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.analysis import AnalysisOutput, Label, Labels, Parameters, analyse, required_facts
from compute.calculations import serialize
from compute.chain_facts import (
    ChainFacts,
    Code,
    Funding,
    PinnedBlock,
    Probe,
    RequiredFacts,
    TokenInfo,
)
from compute.transfers import TransferRow, Transfers
from contracts.chains import checksum_address
from contracts.cluster_report import ClusterReport, Limit
from contracts.compute import CompleteAnalysis
from tests.compute.simulated_token import SUPPLY, TOKEN, ZERO, SimulatedToken, hash_of, small_token

MAX = 2**256 - 1


def with_contract(
    simulated: SimulatedToken,
    balances: dict[str, int],
    total_supply: int | None = None,
    rows: list[TransferRow] | None = None,
) -> AnalysisOutput:
    """Analyse with what `balanceOf` and `totalSupply` return."""
    facts = simulated.facts()
    supply = sum(balances.values()) if total_supply is None else total_supply
    facts = replace(facts, balances=balances, token=replace(facts.token, total_supply=supply))
    return analysed(rows or simulated.rows, facts)


def analysed(rows: list[TransferRow], facts: ChainFacts) -> AnalysisOutput:
    return analyse(
        Transfers.of_rows(rows), facts, Labels("none"), Parameters(), chain="ethereum",
        computed_at=1,
    )  # fmt: skip


def shares(output: AnalysisOutput) -> dict[str, float | None]:
    return {row.address.lower(): row.share_of_supply for row in output.holders}


def limits(report: ClusterReport) -> dict[str, Limit]:
    """Return the limits of amounts: those of funders are another matter."""
    found = {limit.code: limit for limit in report.limits}
    return {code: limit for code, limit in found.items() if not code.startswith("fund")}


def test_the_amounts_of_an_agreeing_token_have_no_limits() -> None:
    output = with_contract(small_token(), small_token().balances())
    assert output.report.quality.balances_verified
    assert not limits(output.report)
    assert sum(share or 0 for share in shares(output).values()) == pytest.approx(1)


def test_a_supply_without_a_log_is_found_with_the_deployer() -> None:
    """As with old contracts that set a balance in their constructor: 47 % and no log."""
    simulated = small_token()
    simulated.rows.pop(0)
    founder = simulated.new_wallet(funded=False)
    held = {name: max(0, amount) for name, amount in simulated.balances().items()}
    held[simulated.deployer] = SUPPLY * 4 // 10
    facts = simulated.facts()
    asked = required_facts(simulated.transfers(), facts, Labels("none"), Parameters())
    assert simulated.deployer in asked.balances
    assert required_owner(simulated, founder) == founder
    output = with_contract(simulated, held)
    assert shares(output)[simulated.deployer] == pytest.approx(0.4)
    assert output.report.supply.circulating == pytest.approx(0.7)


def required_owner(simulated: SimulatedToken, owner: str) -> str | None:
    """Return the owner if their balance is asked for once the token has named them."""
    facts = simulated.facts()
    first = required_facts(simulated.transfers(), facts, Labels("none"), Parameters())
    assert facts.token.address in first.probes
    word = bytes(12) + bytes.fromhex(owner[2:])
    facts = replace(facts, probes={facts.token.address: Probe({"owner()": word})}, requested=first)
    second = required_facts(simulated.transfers(), facts, Labels("none"), Parameters())
    return next(iter(second.balances), None)


def test_a_deployer_in_no_transfer_is_among_the_holders() -> None:
    simulated = small_token()
    minted = [replace_sender(row, simulated.deployer, ZERO) for row in simulated.rows[1:]]
    held = {n: b for n, b in simulated.balances().items() if n != simulated.deployer}
    held[simulated.deployer] = SUPPLY
    output = with_contract(simulated, held, rows=minted)
    assert output.holders[0].address == checksum_address(simulated.deployer)
    assert output.holders[0].share_of_supply == pytest.approx(1 / 1.6)


def replace_sender(row: TransferRow, old: str, new: str) -> TransferRow:
    return row._replace(sender=new if row.sender == old else row.sender)


def test_holders_of_a_rebasing_token_have_what_the_contract_says() -> None:
    """An early and a late buyer hold the same, whatever the log of each says."""
    simulated = SimulatedToken(1)
    early, late = simulated.new_wallets(2)
    simulated.transfer(simulated.deployer, early, SUPPLY // 100)
    simulated.transfer(simulated.deployer, late, SUPPLY // 10)
    held = {simulated.deployer: 8 * SUPPLY, early: SUPPLY, late: SUPPLY}
    output = with_contract(simulated, held)
    assert shares(output)[early] == shares(output)[late] == pytest.approx(0.1)
    assert not output.report.quality.balances_verified
    assert limits(output.report)["balances_from_contract"].share == pytest.approx(1)


def test_a_reflecting_token_adds_up_with_the_contract() -> None:
    simulated = small_token()
    held = {name: amount * 101 // 100 for name, amount in simulated.balances().items()}
    output = with_contract(simulated, held)
    assert sum(share or 0 for share in shares(output).values()) == pytest.approx(1)
    assert [int(row.amount) for row in output.holders] == sorted(held.values(), reverse=True)


@pytest.mark.parametrize("said", [0, 1, MAX, SUPPLY * 1_000])
def test_a_misreported_supply_changes_neither_shares_nor_clusters(said: int) -> None:
    simulated = small_token()
    right = with_contract(simulated, simulated.balances())
    wrong = with_contract(simulated, simulated.balances(), said)
    assert shares(wrong) == shares(right)
    assert wrong.report.clusters == right.report.clusters
    assert wrong.report.supply == right.report.supply
    assert limits(wrong.report).keys() == {"supply_misreported"}


def test_supply_in_unknown_hands_is_a_limit() -> None:
    simulated = small_token()
    report = with_contract(simulated, simulated.balances(), SUPPLY * 5 // 4).report
    assert report.supply.unknown == pytest.approx(0.2)
    assert limits(report)["supply_held_by_unknown"].share == pytest.approx(0.2)
    assert report.clusters[0].share_of_supply == pytest.approx(0.2 * 0.8)


def test_a_burn_of_more_than_was_minted_ends_in_a_report() -> None:
    simulated = small_token()
    simulated.transfer(simulated.deployer, ZERO, 50 * SUPPLY)
    held = {name: max(0, amount) for name, amount in simulated.balances().items()}
    for balances in (held, held | {ZERO: 0}, held | {ZERO: MAX}, {}):
        for said in (0, SUPPLY, 51 * SUPPLY):
            output = with_contract(simulated, balances, said)
            require_valid(output)
            assert limits(output.report)


@pytest.mark.parametrize("counted", [0, 1])
def test_the_contract_says_whether_burned_tokens_count(counted: int) -> None:
    simulated = small_token()
    simulated.transfer(simulated.deployer, ZERO, SUPPLY // 10)
    balances = simulated.balances() | {ZERO: counted * SUPPLY // 10}
    report = with_contract(simulated, balances).report
    assert report.supply.burned == pytest.approx(counted / 10)
    assert report.quality.balances_verified


def test_a_holder_cannot_be_given_more_than_exists() -> None:
    simulated = small_token()
    balances = simulated.balances()
    victim = max(balances, key=lambda name: balances[name])
    output = with_contract(simulated, balances | {victim: MAX}, SUPPLY)
    assert shares(output)[victim] == pytest.approx(0.4)
    assert "balances_misreported" in limits(output.report)


def require_valid(output: AnalysisOutput) -> None:
    """Fail unless the report can be stored, served and completed, and its shares add up."""
    report = ClusterReport.model_validate_json(output.report.model_dump_json())
    result = serialize(output)
    CompleteAnalysis(
        chain_id=1, token_address=TOKEN, run=1, num_clusters=result.num_clusters,
        largest_share=result.largest_share,
    )  # fmt: skip
    supply = report.supply
    total = (
        supply.burned + supply.contracts + supply.exchanges + supply.circulating + supply.unknown
    )
    assert total == pytest.approx(1) or total == 0
    assert sum(cluster.share for cluster in report.clusters) <= 1 + 1e-9
    assert sum(row.share_of_supply or 0 for row in output.holders) <= 1 + 1e-9


NAMES = [ZERO, TOKEN, "0x000000000000000000000000000000000000dead"]
NAMES += [f"0x{n:040x}" for n in range(7, 13)]
names = st.sampled_from(NAMES)
amounts = st.integers(0, MAX) | st.integers(0, 5) | st.integers(10**18, 10**19)
hashes = st.integers(0, 20).map(hash_of)
rows = st.lists(
    st.builds(TransferRow, st.integers(0, 50), st.integers(0, 10), hashes, names, names, amounts),
    max_size=20,
    unique_by=lambda row: (row.block, row.log_index),
)
fundings = st.none() | st.builds(Funding, names, hashes, st.integers(0, 99), st.integers(0, 999))


@st.composite
def facts_of_any_token(draw: st.DrawFn) -> ChainFacts:
    number = draw(st.integers(0, 60))
    token = TokenInfo(
        TOKEN, None, None, None, draw(amounts), draw(st.none() | names), draw(st.integers(0, 60))
    )
    return ChainFacts(
        chain_id=1,
        pinned=PinnedBlock(number, hash_of(number), draw(st.integers(0, 2**40)), finalized=True),
        token=token,
        codes=dict.fromkeys(draw(st.frozensets(names)), Code(9, hash_of(9), b"\x60")),
        funders=draw(st.dictionaries(names, fundings)),
        balances=draw(st.dictionaries(names, st.none() | amounts)),
        block_times=draw(st.dictionaries(st.integers(0, 60), st.integers(0, 2**40))),
        requested=RequiredFacts(),
    )


@pytest.mark.slow
@given(rows, facts_of_any_token(), st.sampled_from(["exchange", "pool", "burn"]))
def test_every_token_gets_a_valid_report(
    found: list[TransferRow], facts: ChainFacts, kind: str
) -> None:
    labels = Labels("some", {NAMES[4]: Label(kind, "Name", "source")})  # type: ignore[arg-type]
    transfers = Transfers.of_rows(found)
    output = analyse(transfers, facts, labels, Parameters(), chain="ethereum", computed_at=1)
    require_valid(output)


def test_a_token_without_a_known_deployer_gets_a_report() -> None:
    simulated = small_token()
    facts = simulated.facts()
    facts = replace(facts, token=replace(facts.token, deployer=None))
    transfers, labels = simulated.transfers(), Labels("none")
    require_valid(analyse(transfers, facts, labels, Parameters(), chain="ethereum", computed_at=1))


def test_asking_for_facts_comes_to_an_end() -> None:
    simulated = small_token()
    facts, chance = simulated.facts(), random.Random(1)
    for _ in range(8):
        asked = required_facts(simulated.transfers(), facts, Labels("none"), Parameters())
        if not asked:
            return
        times = {block: chance.randrange(10**6) for block in asked.blocks}
        later = replace(facts, block_times=times, requested=asked)
        facts = facts.merged(later)
    raise AssertionError("an analysis asks for ever")


def test_what_a_service_without_a_label_holds_does_not_circulate() -> None:
    simulated = small_token()
    desk = simulated.new_wallet()
    simulated.transfer(simulated.deployer, desk, SUPPLY // 10)
    facts = replace(simulated.facts(), nonces={desk: 100_000})
    output = analysed(simulated.rows, facts)
    (row,) = [row for row in output.holders if row.address == checksum_address(desk)]
    assert row.kind == "service"
    assert row.share == pytest.approx(0.1)
    assert output.report.supply.exchanges == pytest.approx(0.1)
    assert output.report.supply.circulating == pytest.approx(0.6)
