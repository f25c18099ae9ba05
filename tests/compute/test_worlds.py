"""The simulated launches are consistent, are judged rightly, and accuse no one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.worlds.chain import DAY, ETHER, START, UNIT
from benchmarks.worlds.crowd import buyers, start
from benchmarks.worlds.judge import judge
from benchmarks.worlds.node import Node, Rejection
from benchmarks.worlds.results import measure
from benchmarks.worlds.run import analysed
from benchmarks.worlds.scenario import HELD_OUT_SEEDS, PRECISION, TUNING_SEEDS, Scenario
from benchmarks.worlds.scenarios import SCENARIOS
from benchmarks.worlds.store import Store
from benchmarks.worlds.world import SUPPLY, World

TUNING = [each for each in SCENARIOS.values() if each.split == "tuning"]


def small_world() -> World:
    world = World(1)
    buyers(world, start(world), 20)
    return world


def report_of(*groups: list[str], confidence: str = "high") -> Any:
    """Return a report with these clusters and nothing else."""
    clusters = [
        SimpleNamespace(
            confidence=confidence,
            members=[SimpleNamespace(address=each) for each in group],
        )
        for group in groups
    ]
    return SimpleNamespace(clusters=clusters, suspicions=())


def holding_wallets(world: World, *owners: int) -> list[str]:
    wallets = [world.wallet(owner) for owner in owners]
    for wallet in wallets:
        world.send(world.deployer, wallet, UNIT)
    return wallets


def test_pairs_with_one_owner_are_right_and_others_wrong() -> None:
    world = small_world()
    one, other = world.person(), world.person()
    a, b, c, d = holding_wallets(world, one, one, one, other)
    world.require([a, b, c])
    verdict = judge(world, report_of([a, b, d]))
    assert verdict.precision == pytest.approx(1 / 3)
    assert verdict.recall == pytest.approx(1 / 3)
    assert verdict.accusations == 1
    assert judge(world, report_of([a, b], [c, d], confidence="low")).accusations == 0


def test_a_cluster_without_any_wrong_pair_is_precise() -> None:
    world = small_world()
    one = world.person()
    a, b, c = holding_wallets(world, one, one, one)
    world.require([a, b, c])
    verdict = judge(world, report_of([a, b, c]))
    assert (verdict.precision, verdict.recall, verdict.accusations) == (1.0, 1.0, 0)
    assert judge(world, report_of()).recall == 0.0


def test_uncertain_pairs_count_neither_way() -> None:
    world = small_world()
    one, other = world.person(), world.person()
    a, b, c = holding_wallets(world, one, one, other)
    world.uncertain.append(frozenset([a, c]))
    verdict = judge(world, report_of([a, b, c]))
    assert verdict.precision == pytest.approx(1 / 2)


def test_a_member_that_holds_nothing_makes_a_cluster_mixed() -> None:
    world = small_world()
    one = world.person()
    a, b = holding_wallets(world, one, one)
    verdict = judge(world, report_of([a, b, world.wallet()]))
    assert verdict.precision == 1.0
    assert verdict.accusations == 1


def test_two_contracts_have_no_common_owner() -> None:
    world = small_world()
    pool, other = world.pool, world.infrastructure()
    world.send(world.deployer, other, UNIT)
    assert judge(world, report_of([pool, other])).precision == 0.0


def test_a_world_refuses_payments_that_its_people_cannot_make() -> None:
    world = small_world()
    with pytest.raises(AssertionError, match="coins"):
        world.pay(world.wallet(), world.deployer, 1)
    with pytest.raises(AssertionError, match="tokens"):
        world.send(world.used(), world.deployer, UNIT)


def test_the_same_seed_makes_the_same_world() -> None:
    one, same, other = (SCENARIOS["plain-launch"].world(seed) for seed in (1, 1, 2))
    assert list(one.by_hash) == list(same.by_hash)
    assert list(one.by_hash) != list(other.by_hash)


def test_a_node_answers_for_every_block() -> None:
    world = World(1)
    start(world)
    node = Node(world)
    funded = next(tx for tx in world.by_hash.values() if tx.to == world.deployer)
    before, after = hex(funded.block - 1), hex(funded.block)
    assert funded.block == START - 2 * DAY
    assert node.answer("eth_getBalance", [world.deployer, before]) == "0x0"
    assert node.answer("eth_getBalance", [world.deployer, after]) == hex(30 * ETHER)
    assert node.answer("eth_getTransactionCount", [world.deployer, after]) == "0x0"
    created = next(tx for tx in world.by_hash.values() if tx.creates)
    assert node.answer("eth_getCode", [world.token, hex(created.block - 1)]) == "0x"
    assert node.answer("eth_getCode", [world.token, hex(created.block)]) != "0x"
    receipt = node.answer("eth_getTransactionReceipt", [created.hash])
    assert receipt["contractAddress"] == world.token
    assert [int(log["data"], 16) for log in receipt["logs"]] == [SUPPLY]
    with pytest.raises(Rejection):
        node.answer("debug_traceTransaction", [created.hash])


def test_an_analysis_reads_the_world_through_the_node() -> None:
    world = small_world()
    done = analysed(world)
    assert len(done.transfers) == sum(
        log[0] == world.token for tx in world.by_hash.values() for log in tx.logs
    )
    assert done.facts.token.deployer == world.deployer
    assert done.facts.token.total_supply == SUPPLY
    assert done.calls == sum(done.methods.values())
    assert done.seconds == pytest.approx(done.calls / 25, abs=2.1)


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    def build(world: World, _scale: int) -> None:
        buyers(world, start(world), 20)

    scenario = Scenario("small", build, "tuning", None)
    result = measure(scenario, None, seeds=(1,), signals=True)
    path = tmp_path / "new" / "results.jsonl"
    Store(path, "some options").add(result, None)
    assert Store(path, "some options").stored(scenario, None) == result
    assert Store(path, "other options").stored(scenario, None) is None
    path.write_bytes(path.read_bytes().replace(b'"code":"', b'"code":"0'))
    assert Store(path, "some options").stored(scenario, None) is None
    assert path.read_bytes() == b""


def test_half_of_the_kinds_and_seeds_are_held_out() -> None:
    held_out = len(SCENARIOS) - len(TUNING)
    assert abs(held_out - len(TUNING)) <= len(SCENARIOS) // 5
    assert not set(TUNING_SEEDS) & set(HELD_OUT_SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [each.name for each in TUNING])
def test_no_one_is_accused_of_what_another_person_does(name: str) -> None:
    result = measure(SCENARIOS[name], "tuning", seeds=TUNING_SEEDS[:1])
    assert result.precisions[0] >= PRECISION
    assert result.accusations == 0
