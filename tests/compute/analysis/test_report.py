"""The numbers of a report, checked by hand and against a second computation."""

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.analysis import InvalidLabels, Labels, Parameters, analyse, read_labels
from compute.analysis.amounts import Grouping, at_least, column, integers, more_than, reaches
from compute.analysis.concentration import concentration
from compute.analysis.ledger import replay
from compute.app import labels_of
from compute.chain_facts import ChainFacts
from compute.settings import Settings
from compute.transfers import TransferRow, Transfers
from contracts.chains import checksum_address
from contracts.cluster_report import ClusterReport, compare
from tests.compute.analysis.test_method import analysed, funded_by
from tests.compute.simulated_token import (
    SUPPLY,
    ZERO,
    SimulatedToken,
    hash_of,
    simulated_token,
    small_token,
)

NAMES = [f"0x{n:040x}" for n in range(6)]
amounts = st.integers(0, 2**256 - 1) | st.integers(0, 5)
rows = st.lists(
    st.builds(
        TransferRow,
        st.integers(1, 50),
        st.integers(0, 10),
        st.integers(0, 2**64).map(hash_of),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        amounts,
    ),
    max_size=40,
    unique_by=lambda row: (row.block, row.log_index),
)


@pytest.mark.slow
@given(rows)
def test_balances_equal_a_simple_replay(found: list[TransferRow]) -> None:
    held = dict.fromkeys(NAMES, 0)
    for row in found:
        held[row.sender] -= row.value
        held[row.recipient] += row.value
    transfers = Transfers.of_rows(found)
    ledger = replay(transfers, Parameters())
    for place, balance in enumerate(ledger.balances):
        assert balance == held[transfers.address(place)]


def held_of(found: list[TransferRow]) -> int:
    """Return what all addresses hold by the transfers."""
    held = dict.fromkeys(NAMES, 0)
    for row in found:
        held[row.sender] -= row.value
        held[row.recipient] += row.value
    return sum(amount for name, amount in held.items() if amount > 0 and name != ZERO)


@pytest.mark.slow
@given(rows)
def test_links_equal_a_simple_search(found: list[TransferRow]) -> None:
    """First sources and sweeps by their definition, one wallet at a time, in exact fractions."""
    transfers = Transfers.of_rows(found)
    parameters = Parameters()
    ledger = replay(transfers, parameters)
    least = parameters.supply_share * held_of(found)
    ordered = sorted(found, key=lambda row: (row.block, row.log_index))
    real = [row for row in ordered if row.value and row.sender != row.recipient]
    first, swept = set(), set()
    for name in NAMES:
        got = [row for row in real if row.recipient == name]
        if got:
            given_ = sum(row.value for row in got if row.sender == got[0].sender)
            total = sum(row.value for row in got)
            if given_ >= parameters.receiver_share * total and given_ >= least:
                first.add((got[0].sender, name, got[0].tx_hash))
        sent = [row for row in real if row.sender == name]
        for other in NAMES:
            there = [row for row in sent if row.recipient == other]
            part, total = sum(r.value for r in there), sum(r.value for r in sent)
            if there and part > parameters.sweep_share * total and part >= least:
                swept.add((name, other, there[0].tx_hash))
    for links, expected in ((ledger.first_sources, first), (ledger.sweeps, swept)):
        found_links = {
            (transfers.address(s), transfers.address(t), transfers.tx_hash(int(row)))
            for s, t, row in zip(links.source, links.target, links.row, strict=True)
        }
        assert found_links == expected


@pytest.mark.slow
@given(rows, st.randoms())
def test_the_order_of_arrival_does_not_matter(
    found: list[TransferRow], chance: random.Random
) -> None:
    mixed = [*found, *found[:3]]
    chance.shuffle(mixed)
    one, other = Transfers.of_rows(found), Transfers.of_rows(mixed)
    assert one.value.tobytes() == other.value.tobytes()
    assert one.addresses.tobytes() == other.addresses.tobytes()
    parts = [Transfers.of_rows(mixed[:7]), Transfers.of_rows(mixed[7:])]
    assert Transfers.concatenate(parts).value.tobytes() == one.value.tobytes()


@pytest.mark.slow
@given(st.lists(amounts, min_size=1), st.fractions(0, 1, max_denominator=1_000_000))
def test_amounts_are_compared_exactly(values: list[int], share: Fraction) -> None:
    packed = np.frombuffer(b"".join(v.to_bytes(32, "big") for v in values), np.uint8)
    digits = column(packed.reshape(-1, 32))
    assert integers(digits) == values
    total = Grouping.by(np.zeros(len(values))).sums(digits)
    assert integers(total) == [sum(values)]
    for place, value in enumerate(values):
        one = digits[:, [place]]
        assert bool(at_least(one, share, total)[0]) is (value >= share * sum(values))
        assert bool(more_than(one, share, total)[0]) is (value > share * sum(values))
        assert [bool(reaches(one, value + n)[0]) for n in (-1, 0, 1) if value + n >= 0] == [
            value >= value + n for n in (-1, 0, 1) if value + n >= 0
        ]


def test_the_same_input_gives_the_same_report() -> None:
    one, other = analysed(simulated_token(4)), analysed(simulated_token(4))
    assert one.report.model_dump_json() == other.report.model_dump_json()


def test_concentration_by_hand() -> None:
    # four holders: 0.4, 0.3, 0.2, 0.1
    seen = concentration(np.array([0.1, 0.4, 0.2, 0.3]))
    assert seen.hhi == pytest.approx(0.16 + 0.09 + 0.04 + 0.01)
    assert seen.effective_holders == pytest.approx(1 / 0.30)
    # (2*1-5)*0.1 + (2*2-5)*0.2 + (2*3-5)*0.3 + (2*4-5)*0.4 = 1.0, over 4
    assert seen.gini == pytest.approx(0.25)
    assert seen.nakamoto == 2
    assert seen.top10 == pytest.approx(1)


def test_concentration_at_its_ends() -> None:
    assert concentration(np.array([])).nakamoto == 0
    alone = concentration(np.array([1.0]))
    assert (alone.hhi, alone.gini, alone.nakamoto, alone.top10) == (1, 0, 1, 1)
    assert concentration(np.full(100, 0.01)).nakamoto == 51


def test_a_small_report_by_hand() -> None:
    report = analysed(small_token()).report
    assert report.supply.model_dump() == {
        "burned": 0, "contracts": 0.3, "exchanges": 0, "circulating": 0.7, "unknown": 0,
    }  # fmt: skip
    (cluster,) = report.clusters
    assert cluster.share == pytest.approx(2 / 7)
    assert cluster.amount == str(SUPPLY * 2 // 10)
    assert [member.amount for member in cluster.members] == [str(SUPPLY // 10)] * 2
    assert report.metrics.per_entity.hhi == pytest.approx((16 + 4 + 1) / 49, abs=1e-8)
    assert report.metrics.per_address.hhi == pytest.approx((16 + 1 + 1 + 1) / 49, abs=1e-8)
    assert report.quality.balances_verified
    assert report.token_address == checksum_address(report.token_address.lower())


def test_a_pools_share_is_of_the_supply_and_a_wallets_of_the_circulating_supply() -> None:
    shares = {row.amount: row.share for row in analysed(small_token()).holders}
    assert shares[str(SUPPLY * 4 // 10)] == pytest.approx(4 / 7)
    assert shares[str(SUPPLY * 3 // 10)] == pytest.approx(0.3)


def test_all_shares_of_the_supply_add_up() -> None:
    supply = analysed(simulated_token(2)).report.supply
    total = supply.burned + supply.contracts + supply.exchanges + supply.circulating
    assert total == pytest.approx(1)


@pytest.mark.parametrize("where", [ZERO, "0x000000000000000000000000000000000000dEaD".lower()])
def test_burned_tokens_do_not_circulate(where: str) -> None:
    simulated = small_token()
    simulated.transfer(simulated.deployer, where, SUPPLY // 10)
    report = analysed(simulated).report
    assert report.supply.burned == pytest.approx(0.1)
    assert report.quality.balances_verified


def test_tokens_burned_off_the_supply_are_not_counted() -> None:
    """Most tokens subtract what is burned from totalSupply."""
    simulated = small_token()
    simulated.transfer(simulated.deployer, ZERO, SUPPLY // 10)
    facts = simulated.facts()
    facts = replace(facts, token=replace(facts.token, total_supply=SUPPLY * 9 // 10))
    report = report_of(simulated, facts)
    assert report.supply.burned == 0
    assert report.quality.balances_verified


def report_of(simulated: SimulatedToken, facts: ChainFacts) -> ClusterReport:
    analysis = analyse(
        simulated.transfers(), facts, Labels("none"), Parameters(), chain="ethereum", computed_at=1
    )
    return analysis.report


def test_incomplete_logs_are_reported() -> None:
    simulated, facts = small_token(), small_token().facts()
    rebased = replace(facts, token=replace(facts.token, total_supply=SUPPLY * 2))
    assert report_of(simulated, rebased).quality.warnings == ("supply_differs_from_transfers",)
    fees = replace(facts, balances={**facts.balances, simulated.deployer: 17})
    assert report_of(simulated, fees).quality.warnings == ("balances_differ_from_transfers",)
    del simulated.rows[1]
    incomplete = report_of(simulated, facts)
    assert "negative_balances" in incomplete.quality.warnings
    assert incomplete.flags[0].code == "balances_not_verified"


def test_a_token_without_transfers_has_an_empty_report() -> None:
    simulated = SimulatedToken(1)
    simulated.rows.clear()
    facts = simulated.facts()
    report = report_of(simulated, replace(facts, token=replace(facts.token, total_supply=0)))
    assert (report.num_clusters, report.supply.circulating) == (0, 0)


def test_fresh_wallets_were_funded_in_the_last_week() -> None:
    simulated = small_token()
    assert analysed(simulated).report.metrics.fresh_wallet_share == pytest.approx(3 / 7)
    facts = simulated.facts()
    late = replace(facts.pinned, timestamp=facts.pinned.timestamp + 8 * 86_400)
    assert report_of(simulated, replace(facts, pinned=late)).metrics.fresh_wallet_share == 0


def test_holders_are_listed_by_balance() -> None:
    analysis = analysed(small_token())
    assert [int(holder.amount) for holder in analysis.holders] == sorted(
        (int(holder.amount) for holder in analysis.holders), reverse=True
    )
    assert sum(h.cluster_id == analysis.report.clusters[0].id for h in analysis.holders) == 2
    cluster = analysis.report.clusters[0]
    assert {node.id for node in analysis.graph.nodes if node.cluster_id == cluster.id} == {
        member.address for member in cluster.members
    }
    assert {node.id for node in analysis.graph.nodes} == {h.address for h in analysis.holders}


def test_labels_are_read_for_one_chain() -> None:
    lines = [
        "chain_id,address,kind,name,source",
        "1,0xAB00000000000000000000000000000000000000,exchange,Somewhere,https://example.com",
        "10,0xCD00000000000000000000000000000000000000,pool,Elsewhere,https://example.com",
        "*,0x000000000000000000000000000000000000dEaD,burn,Dead,convention",
    ]
    labels = read_labels("test", 1, lines)
    assert set(labels.known) == {
        "0xab00000000000000000000000000000000000000",
        "0x000000000000000000000000000000000000dead",
    }


def test_the_bundled_labels_can_be_read() -> None:
    ethereum, elsewhere = labels_of(Settings(), 1), labels_of(Settings(), 8453)
    assert ZERO in elsewhere.known
    assert len(ethereum.known) > 600
    assert len(elsewhere.known) < len(ethereum.known)
    assert all(name == name.lower() and len(name) == 42 for name in ethereum.known)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1,0x1,bank,Name,source", "line 2: kind 'bank'"),
        ("1,0x1,pool,Name,", "line 2: a label needs a source"),
    ],
)
def test_an_invalid_label_is_named(line: str, why: str) -> None:
    with pytest.raises(InvalidLabels, match=why):
        read_labels("test", 1, ["chain_id,address,kind,name,source", line])


def test_columns_in_another_order_are_rejected() -> None:
    with pytest.raises(InvalidLabels, match="columns"):
        read_labels("test", 1, ["address,kind"])


# Two reports compared


def test_the_same_report_twice_has_no_difference() -> None:
    report = analysed(simulated_token(1)).report
    assert compare(report, report).changes == ()


def test_grown_new_and_gone_clusters_are_compared() -> None:
    simulated = small_token()
    before = analysed(simulated).report
    (one, other) = (member.address.lower() for member in before.clusters[0].members)
    third = simulated.new_wallet()
    pool = next(iter(simulated.contracts))
    simulated.transfer(one, third, SUPPLY // 100)
    simulated.star(pool, 3)
    after = analysed(simulated).report
    difference = compare(before, after)
    changes = {change.change: change for change in difference.changes}
    assert set(changes) == {"grown", "new"}
    assert changes["grown"].joined == (checksum_address(third),)
    assert len(changes["new"].joined) == 4
    for name in (one, other, third):
        simulated.transfer(name, pool, simulated.balances()[name])
    gone = compare(after, analysed(simulated).report)
    assert "gone" in {change.change for change in gone.changes}


def test_merged_and_split_clusters_are_compared() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    left, right = simulated.star(pool, 3), simulated.star(pool, 3)
    before = analysed(simulated).report
    funded_by(simulated, left[0], right[0])
    after = analysed(simulated).report
    (merged,) = compare(before, after).changes
    assert (merged.change, len(merged.others)) == ("merged", 2)
    parts = compare(after, before).changes
    assert {part.change for part in parts} == {"split"}
