"""What is conspicuous is reported with its share, and merges no wallets."""

from contracts.cluster_report import Suspicion
from tests.compute.analysis.launch import SUPPLY, UNIT, Launch


def suspicions(launch: Launch, **changes: int) -> dict[str, Suspicion]:
    return {each.kind: each for each in launch.analysed(None, **changes).report.suspicions}


def addresses(suspicion: Suspicion) -> set[str]:
    return {each.lower() for each in suspicion.wallets}


def launched(early: int, late: int = 12) -> tuple[Launch, list[str]]:
    """Let wallets buy in the launch block, and others later, apart from each other."""
    launch = Launch(1)
    snipers = launch.new_wallets(early)
    block = launch.block
    for number, each in enumerate(snipers):
        launch.clock = block - 1 - len(launch.rows)
        launch.act(each, (launch.pool, each, (40_000 + 77 * number) * UNIT))
    launch.clock += 50
    for number, each in enumerate(launch.new_wallets(late)):
        launch.clock += 10 + number * number
        launch.buy(each, amount=(10_000 + 31 * number) * UNIT)
    return launch, snipers


def test_launch_block_buyers_are_suspected_with_their_share() -> None:
    launch, snipers = launched(5)
    found = suspicions(launch)
    assert addresses(found["snipers"]) == set(snipers)
    assert addresses(found["bundlers"]) == set(snipers)
    assert "block" in found["bundlers"].why
    assert found["snipers"].share_of_supply is not None
    assert launch.clusters() == []


def test_few_buyers_in_a_block_are_no_bundle() -> None:
    assert "bundlers" not in suspicions(launched(3)[0])
    assert suspicions(launched(3)[0], launch_blocks=0, equal_wallets=0) == {}


def test_equal_amounts_are_suspected() -> None:
    launch, _ = launched(1)
    equal = launch.new_wallets(4)
    for each in equal:
        launch.clock += 400
        launch.buy(each, amount=123_456 * UNIT)
    found = suspicions(launch)["equalAmounts"]
    assert addresses(found) == set(equal)
    assert launch.clusters() == []


def test_equal_amounts_days_apart_are_not_suspected() -> None:
    launch, _ = launched(1)
    for each in launch.new_wallets(4):
        launch.clock += 8_000
        launch.buy(each, amount=123_456 * UNIT)
    assert "equalAmounts" not in suspicions(launch)


def test_purchases_at_regular_times_are_suspected() -> None:
    launch, _ = launched(1)
    serial = launch.new_wallets(10)
    for number, each in enumerate(serial):
        launch.clock += 24
        launch.buy(each, amount=(50_000 + 13 * number) * UNIT)
    assert addresses(suspicions(launch)["serialTimes"]) >= set(serial)


def test_who_had_the_token_before_trading_is_an_insider() -> None:
    launch = Launch(1)
    early = launch.new_wallets(2)
    for each in early:
        launch.transfer(launch.deployer, each, SUPPLY // 100)
    launch.clock += 100
    launch.buy(*launch.new_wallets(3))
    found = suspicions(launch)
    assert addresses(found["insiders"]) >= {launch.deployer, *early}
    assert addresses(found["snipers"]).isdisjoint(early)
