"""Facts are required in rounds, no more than are needed, and each of them once."""

from collections import Counter
from dataclasses import replace

from compute.analysis import Label, Labels, Parameters, required_facts
from compute.chain_facts import RequiredFacts
from tests.compute.analysis.launch import UNIT, ZERO, Launch, rounds_of

MAX_ROUNDS = 12


def total(rounds: list[RequiredFacts], name: str) -> Counter[str]:
    return Counter(each for required in rounds for each in getattr(required, name))


def test_codes_come_first_and_tell_whose_funders_are_needed() -> None:
    launch = Launch(1)
    buyers = launch.new_wallets(5)
    launch.buy(*buyers)
    first, *later = rounds_of(launch)
    assert set(first.codes) == {launch.pool, launch.deployer, *buyers}
    assert not first.funders
    assert not first.transactions
    assert set(total(later, "funders")) == {launch.deployer, *buyers}
    assert launch.pool in total(later, "probes")


def test_no_fact_is_required_twice_and_the_rounds_end() -> None:
    launch = Launch(1)
    launch.star(launch.pool, 5)
    launch.shared_funder(launch.pool, 5)
    launch.sink(launch.pool, 5)
    payer = launch.deployer
    for _ in range(6):
        between = launch.new_wallet(funded=False)
        launch.nonce[between] = 1
        launch.fund(payer, between)
        payer = between
    last = launch.new_wallet(funded=False)
    launch.fund(payer, last)
    launch.buy(last)
    rounds = rounds_of(launch)
    assert len(rounds) <= MAX_ROUNDS
    for name in ("codes", "funders", "nonces", "transactions", "sweeps", "probes", "balances"):
        assert max(total(rounds, name).values(), default=1) == 1, name


def test_receipts_are_required_for_links_of_wallets_only() -> None:
    launch = Launch(1)
    launch.buy(*launch.new_wallets(30))
    assert not total(rounds_of(launch), "transactions")
    centre, *_ = launch.star(launch.pool, 4)
    sent = {row.tx_hash for row in launch.rows if row.sender == centre}
    assert set(total(rounds_of(launch), "transactions")) == sent


def test_nothing_is_required_of_labelled_addresses() -> None:
    launch = Launch(1)
    exchange, *customers = launch.star(launch.pool, 4)
    launch.labels[exchange] = Label("exchange", "An exchange", "https://example.com")
    rounds = rounds_of(launch)
    assert exchange not in total(rounds, "codes") | total(rounds, "funders")
    assert ZERO not in total(rounds, "codes")
    assert not total(rounds, "transactions")
    assert set(total(rounds, "funders")) >= set(customers)


def test_important_holders_come_first() -> None:
    launch = Launch(1)
    small, large = launch.new_wallets(2)
    launch.buy(small, amount=2_000 * UNIT)
    launch.buy(large, amount=9_000_000 * UNIT)
    funders = [each for required in rounds_of(launch) for each in required.funders]
    assert funders.index(large) < funders.index(small)
    few = rounds_of(launch, Parameters(funders_of=2))
    assert list(total(few, "funders")) == [launch.deployer, large]


def test_holders_of_dust_are_not_examined() -> None:
    launch = Launch(1)
    dust, large = launch.new_wallets(2)
    launch.buy(dust, amount=1)
    launch.buy(large)
    rounds = rounds_of(launch)
    assert dust not in total(rounds, "funders")


def test_the_budget_grows_with_the_holders_and_what_was_spent_counts() -> None:
    launch = Launch(1)
    launch.buy(*launch.new_wallets(100))
    _, second, *_ = rounds_of(launch, Parameters(least_calls=50))
    assert second.calls == 153  # one and a half for each of 102 holders: 100, pool, deployer
    assert rounds_of(launch)[1].calls == 15_000


def test_a_first_payment_shows_most_in_the_days_before_a_wallet_had_the_token() -> None:
    launch = Launch(1)
    early, late = launch.new_wallets(2)
    first = launch.block
    launch.buy(early)
    launch.clock += 1_000
    launch.buy(late)
    facts = replace(
        launch.facts(), funders={}, block_times={1_000: 12_000},
        requested=RequiredFacts(codes=(early, late)),
    )  # fmt: skip
    required = required_facts(launch.transfers(), facts, Labels("test", {}), Parameters())
    days = 14 * 7_200  # blocks
    assert required.relevant[early] == (first - days, first)
    assert required.relevant[late] == (first + 1_001 - days, first + 1_001)
    unknown = replace(facts, block_times={})
    assert not required_facts(launch.transfers(), unknown, Labels("t", {}), Parameters()).relevant
