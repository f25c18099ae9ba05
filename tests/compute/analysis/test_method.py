"""What belongs together is found, and what a stranger does to others changes nothing."""

from itertools import pairwise

import pytest

from compute.analysis import Analysis, Label, Labels, Parameters, analyse
from tests.compute.worlds import SUPPLY, UNIT, World, planted, precision_and_recall

SEEDS = range(6)


def analysed(world: World, **changes: int) -> Analysis:
    labels = {name: Label("exchange", "An exchange", "planted") for name in world.exchanges}
    return analyse(
        world.transfers(),
        world.facts(),
        Labels("test", labels),
        Parameters(**changes),  # type: ignore[arg-type]
        chain="ethereum",
        computed_at=1_800_000_000,
    )


def clusters(analysis: Analysis) -> list[set[str]]:
    return [{m.address.lower() for m in c.members} for c in analysis.report.clusters]


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_groups_are_found_and_nothing_else(seed: int) -> None:
    world = planted(seed)
    precision, recall = precision_and_recall(world, clusters(analysed(world)))
    assert precision >= 0.98
    assert recall >= 0.98


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("amount", [SUPPLY * 11 // 10_000_000, 1])
def test_a_stranger_cannot_link_two_holders(seed: int, amount: int) -> None:
    world = planted(seed)
    before = clusters(analysed(world))
    holders = sorted(name for name, held in world.balances().items() if held > 0)
    victims = [name for name in holders if name not in world.contracts | world.exchanges]
    framed = [tuple(world.chance.sample(victims, 2)) for _ in range(60)]
    attacker = world.dust(framed, amount)  # type: ignore[arg-type]
    after = [cluster - {attacker} for cluster in clusters(analysed(world))]
    assert sorted(map(sorted, after)) == sorted(map(sorted, before))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stranger_with_fortunes_to_give_away_links_nobody(seed: int) -> None:
    """A thousandth of the supply each: what came first weighs less by it, but that is all."""
    world = planted(seed)
    before = clusters(analysed(world))
    holders = sorted(name for name, held in world.balances().items() if held > 0)
    victims = [name for name in holders if name not in world.contracts | world.exchanges]
    framed = [tuple(world.chance.sample(victims, 2)) for _ in range(60)]
    attacker = world.dust(framed, SUPPLY // 1_000)  # type: ignore[arg-type]
    for cluster in clusters(analysed(world)):
        assert any(cluster - {attacker} <= earlier for earlier in before)


def test_a_stranger_with_a_thousand_pairs_changes_nothing_either() -> None:
    world = planted(7, scale=2)
    before = clusters(analysed(world))
    holders = sorted(name for name, held in world.balances().items() if held > 0)
    victims = [name for name in holders if name not in world.contracts | world.exchanges]
    framed = [tuple(world.chance.sample(victims, 2)) for _ in range(1_000)]
    attacker = world.dust(framed, UNIT)  # type: ignore[arg-type]
    after = [cluster - {attacker} for cluster in clusters(analysed(world))]
    assert sorted(map(sorted, after)) == sorted(map(sorted, before))


def test_a_transfer_of_nothing_is_evidence_of_nothing() -> None:
    """Anybody can make a token log a transfer of nothing in another's name."""
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    one, other, stranger = world.people(3)
    for victim in (one, other):
        world.move(stranger, victim, 0)
        world.move(pool, victim, 1_000 * UNIT)
    assert clusters(analysed(world)) == []


def test_dust_ahead_of_the_real_source_unites_nobody() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    one, other, stranger = world.people(3)
    world.move(pool, stranger, 10 * UNIT)
    for victim in (one, other):
        world.move(stranger, victim, UNIT)
        world.move(pool, victim, 1_000_000 * UNIT)
    assert clusters(analysed(world)) == []


def test_a_distributor_is_no_owner() -> None:
    world = World(1)
    strangers = world.airdrop(world.deployer, 51)
    analysis = analysed(world)
    assert all(not cluster & set(strangers) for cluster in clusters(analysis))
    (hub,) = analysis.report.distributions
    assert (hub.type, hub.recipients) == ("firstSource", 51)


def test_fifty_wallets_may_be_one_owners() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    members = world.star(pool, 50)
    assert set(members) in clusters(analysed(world))


def test_an_unlabelled_purse_that_many_sweep_to_joins_nobody() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    world.sink(pool, 60)
    analysis = analysed(world)
    assert clusters(analysis) == []
    assert [hub.type for hub in analysis.report.distributions] == ["sweep"]


def test_whoever_sweeps_to_two_groups_joins_neither() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    left, right = world.star(pool, 3), world.star(pool, 3)
    centre, helper = world.star(pool, 1)
    for sender, recipient in ((centre, left[0]), (helper, right[0])):
        world.move(sender, recipient, world.balances()[sender] * 9 // 10)
    found = clusters(analysed(world))
    assert set(left) in found
    assert set(right) in found
    assert {centre, helper} in found


def test_every_merge_names_its_transaction() -> None:
    world = planted(3)
    for cluster in analysed(world).report.clusters:
        joined = {cluster.members[0].address}
        links = [{e.from_, e.to} for e in cluster.evidence]
        while grown := [link for link in links if link & joined and not link <= joined]:
            joined |= set().union(*grown)
        assert joined == {member.address for member in cluster.members}
        assert all(e.tx_hash.startswith("0x") and e.block > 0 for e in cluster.evidence)


def test_the_deployers_cluster_is_named() -> None:
    world = planted(3)
    report = analysed(world).report
    (own,) = [cluster for cluster in report.clusters if cluster.label == "deployer"]
    assert world.deployer in {member.address.lower() for member in own.members}
    assert report.metrics.deployer_cluster_share == own.share


def test_two_kinds_of_evidence_are_better_than_one() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    by_tokens = world.star(pool, 3)
    by_both = world.star(pool, 3)
    for member in by_both[1:]:
        world.fund(by_both[0], member)
    told = {c.members[0].address.lower(): c.confidence for c in analysed(world).report.clusters}
    assert told[by_tokens[0]] == "medium"
    assert told[by_both[0]] == "high"


def test_a_group_that_hangs_by_one_thread_is_told_so() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    left, right = world.star(pool, 3), world.star(pool, 3)
    world.move(left[0], right[0], world.balances()[left[0]] * 9 // 10)
    (cluster,) = analysed(world).report.clusters
    assert cluster.confidence == "low"


def test_a_group_too_large_for_one_owner_is_cut_where_it_is_thin() -> None:
    world = World(1)
    pool = world.contract()
    world.move(world.deployer, pool, SUPPLY // 2)
    stars = [world.star(pool, 20) for _ in range(4)]
    for one, other in pairwise(stars):
        world.move(pool, one[0], 50_000_000 * UNIT)
        world.move(one[0], other[0], 50_000_000 * UNIT)
    whole = analysed(world).report
    assert [c.num_members for c in whole.clusters] == [84]
    cut = analysed(world, split_above=50).report
    assert [c.num_members for c in cut.clusters] == [21] * 4
    assert all(c.split for c in cut.clusters)
    assert "component_split" in {flag.code for flag in cut.flags}
