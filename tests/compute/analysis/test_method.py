"""Wallets with one owner are found, and strangers cannot change the result."""

from itertools import pairwise

import pytest

from compute.analysis import AnalysisOutput, Label, Labels, Parameters, analyse
from compute.chain_facts import Funding
from tests.compute.simulated_token import (
    SUPPLY,
    UNIT,
    SimulatedToken,
    hash_of,
    precision_and_recall,
    simulated_token,
)

SEEDS = range(6)


def analysed(simulated: SimulatedToken, **changes: int) -> AnalysisOutput:
    labels = {name: Label("exchange", "An exchange", "planted") for name in simulated.exchanges}
    return analyse(
        simulated.transfers(),
        simulated.facts(),
        Labels("test", labels),
        Parameters(**changes),  # type: ignore[arg-type]
        chain="ethereum",
        computed_at=1_800_000_000,
    )


def clusters(analysis: AnalysisOutput) -> list[set[str]]:
    return [{m.address.lower() for m in c.members} for c in analysis.report.clusters]


@pytest.mark.parametrize("seed", SEEDS)
def test_simulated_owners_are_found_and_nothing_else(seed: int) -> None:
    simulated = simulated_token(seed)
    precision, recall = precision_and_recall(simulated, clusters(analysed(simulated)))
    assert precision >= 0.98
    assert recall >= 0.98


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("amount", [SUPPLY * 11 // 10_000_000, 1])
def test_a_stranger_cannot_link_two_holders(seed: int, amount: int) -> None:
    simulated = simulated_token(seed)
    before = clusters(analysed(simulated))
    holders = sorted(name for name, held in simulated.balances().items() if held > 0)
    victims = [name for name in holders if name not in simulated.contracts | simulated.exchanges]
    framed = [tuple(simulated.random.sample(victims, 2)) for _ in range(60)]
    attacker = simulated.dust(framed, amount)  # type: ignore[arg-type]
    after = [cluster - {attacker} for cluster in clusters(analysed(simulated))]
    assert sorted(map(sorted, after)) == sorted(map(sorted, before))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rich_stranger_cannot_link_holders(seed: int) -> None:
    """A thousandth of the supply each: it can weaken a first source, but adds no link."""
    simulated = simulated_token(seed)
    before = clusters(analysed(simulated))
    holders = sorted(name for name, held in simulated.balances().items() if held > 0)
    victims = [name for name in holders if name not in simulated.contracts | simulated.exchanges]
    framed = [tuple(simulated.random.sample(victims, 2)) for _ in range(60)]
    attacker = simulated.dust(framed, SUPPLY // 1_000)  # type: ignore[arg-type]
    for cluster in clusters(analysed(simulated)):
        assert any(cluster - {attacker} <= earlier for earlier in before)


def test_a_thousand_framed_pairs_change_nothing() -> None:
    simulated = simulated_token(7, scale=2)
    before = clusters(analysed(simulated))
    holders = sorted(name for name, held in simulated.balances().items() if held > 0)
    victims = [name for name in holders if name not in simulated.contracts | simulated.exchanges]
    framed = [tuple(simulated.random.sample(victims, 2)) for _ in range(1_000)]
    attacker = simulated.dust(framed, UNIT)  # type: ignore[arg-type]
    after = [cluster - {attacker} for cluster in clusters(analysed(simulated))]
    assert sorted(map(sorted, after)) == sorted(map(sorted, before))


def test_a_transfer_of_zero_is_no_evidence() -> None:
    """Any caller can make a token log a transfer of zero in another's name."""
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    one, other, stranger = simulated.new_wallets(3)
    for victim in (one, other):
        simulated.transfer(stranger, victim, 0)
        simulated.transfer(pool, victim, 1_000 * UNIT)
    assert clusters(analysed(simulated)) == []


def test_dust_before_the_first_source_links_no_wallets() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    one, other, stranger = simulated.new_wallets(3)
    simulated.transfer(pool, stranger, 10 * UNIT)
    for victim in (one, other):
        simulated.transfer(stranger, victim, UNIT)
        simulated.transfer(pool, victim, 1_000_000 * UNIT)
    assert clusters(analysed(simulated)) == []


def test_a_distributor_is_not_an_owner() -> None:
    simulated = SimulatedToken(1)
    strangers = simulated.airdrop(simulated.deployer, 51)
    analysis = analysed(simulated)
    assert all(not cluster & set(strangers) for cluster in clusters(analysis))
    (hub,) = analysis.report.distributions
    assert (hub.type, hub.recipients) == ("firstSource", 51)


def test_fifty_wallets_can_have_one_owner() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    members = simulated.star(pool, 50)
    assert set(members) in clusters(analysed(simulated))


def test_an_unlabelled_wallet_that_many_sweep_to_joins_no_groups() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    simulated.sink(pool, 60)
    analysis = analysed(simulated)
    assert clusters(analysis) == []
    assert [hub.type for hub in analysis.report.distributions] == ["sweep"]


def test_a_group_that_sweeps_to_two_others_joins_neither() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    left, right = simulated.star(pool, 3), simulated.star(pool, 3)
    centre, helper = simulated.star(pool, 1)
    for sender, recipient in ((centre, left[0]), (helper, right[0])):
        simulated.transfer(sender, recipient, simulated.balances()[sender] * 9 // 10)
    found = clusters(analysed(simulated))
    assert set(left) in found
    assert set(right) in found
    assert {centre, helper} in found


def test_every_merge_names_its_transaction() -> None:
    simulated = simulated_token(3)
    for cluster in analysed(simulated).report.clusters:
        joined = {cluster.members[0].address}
        links = [{e.from_, e.to} for e in cluster.evidence]
        while grown := [link for link in links if link & joined and not link <= joined]:
            joined |= set().union(*grown)
        assert joined == {member.address for member in cluster.members}
        assert all(e.tx_hash.startswith("0x") and e.block > 0 for e in cluster.evidence)


def test_the_deployers_cluster_is_labelled() -> None:
    simulated = simulated_token(3)
    report = analysed(simulated).report
    (deployer,) = [cluster for cluster in report.clusters if cluster.label == "deployer"]
    assert simulated.deployer in {member.address.lower() for member in deployer.members}
    assert report.metrics.deployer_cluster_share == deployer.share


def test_two_kinds_of_evidence_give_high_confidence() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    by_tokens = simulated.star(pool, 3)
    by_both = simulated.star(pool, 3)
    for number, member in enumerate(by_both[1:]):
        simulated.funders[member] = Funding(by_both[0], hash_of(10**10 + number), 1, 12)
    confidence = {
        c.members[0].address.lower(): c.confidence for c in analysed(simulated).report.clusters
    }
    assert confidence[by_tokens[0]] == "medium"
    assert confidence[by_both[0]] == "high"


def test_a_group_held_by_one_link_has_low_confidence() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    left, right = simulated.star(pool, 3), simulated.star(pool, 3)
    funded_by(simulated, left[0], right[0])
    (cluster,) = analysed(simulated).report.clusters
    assert cluster.confidence == "low"


def funded_by(simulated: SimulatedToken, funder: str, wallet: str) -> None:
    """Let a wallet get its first coins from another, before it had the token."""
    simulated.funders[wallet] = Funding(funder, hash_of(10**10 + len(wallet)), 1, 12)


def test_groups_that_trade_with_each_other_stay_two() -> None:
    """One wallet of a group sells most of what it ever sent to a wallet of the other."""
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    left, right = simulated.star(pool, 5), simulated.star(pool, 5)
    for seller, buyer in ((left[1], right[1]), (left[2], right[2])):
        simulated.transfer(seller, buyer, simulated.balances()[seller] // 2)
    found = clusters(analysed(simulated))
    assert sorted(map(sorted, found)) == sorted(map(sorted, (left, right)))


def test_a_group_too_large_for_one_owner_is_cut_at_its_bridges() -> None:
    simulated = SimulatedToken(1)
    pool = simulated.new_contract()
    simulated.transfer(simulated.deployer, pool, SUPPLY // 2)
    stars = [simulated.star(pool, 20) for _ in range(4)]
    for one, other in pairwise(stars):
        funded_by(simulated, one[0], other[0])
    uncut = analysed(simulated).report
    assert [c.num_members for c in uncut.clusters] == [84]
    cut = analysed(simulated, split_above=50).report
    assert [c.num_members for c in cut.clusters] == [21] * 4
    assert all(c.split for c in cut.clusters)
    assert "component_split" in {flag.code for flag in cut.flags}
