"""First funders count through go-betweens, and only for wallets that acted."""

from dataclasses import replace

from compute.chain_facts import Funding, Sweep
from tests.compute.analysis.launch import UNIT, Launch, hash_of


def through_go_betweens(launch: Launch, funder: str, hops: int, count: int = 6) -> list[str]:
    """Let a funder pay wallets through fresh go-betweens of their own."""
    wallets = launch.new_wallets(count)
    for wallet in wallets:
        payer = funder
        for _ in range(hops):
            between = launch.new_wallet(funded=False)
            launch.nonce[between] = 1
            launch.fund(payer, between)
            payer = between
        launch.fund(payer, wallet)
    launch.buy(*wallets)
    return wallets


def test_go_betweens_are_followed_and_named() -> None:
    launch = Launch(1)
    wallets = through_go_betweens(launch, launch.deployer, 2)
    (cluster,) = launch.analysed().report.clusters
    assert {m.address.lower() for m in cluster.members} == {launch.deployer, *wallets}
    assert all(len(each.via) == 2 for each in cluster.evidence)


def test_go_betweens_are_followed_three_times_only() -> None:
    for hops, found in ((3, True), (4, False)):
        launch = Launch(1)
        through_go_betweens(launch, launch.deployer, hops)
        assert bool(launch.clusters()) is found
    launch = Launch(1)
    through_go_betweens(launch, launch.deployer, 1)
    assert launch.clusters(hops=0) == []


def test_a_peel_chain_is_followed_from_wallet_to_wallet() -> None:
    launch = Launch(1)
    wallets, payer = launch.new_wallets(8), launch.deployer
    for wallet in wallets:
        between = launch.new_wallet(funded=False)
        launch.nonce[between] = 2
        launch.fund(payer, between)
        launch.fund(between, wallet)
        payer = between
    launch.buy(*wallets)
    (cluster,) = launch.clusters()
    assert cluster >= {launch.deployer, *wallets}


def test_a_payer_with_a_life_of_its_own_is_no_go_between() -> None:
    launch = Launch(1)
    wallets = launch.new_wallets(4)
    for wallet in wallets:
        person = launch.used_for_long()
        launch.fund(launch.deployer, person)
        launch.fund(person, wallet)
    launch.buy(*wallets)
    assert launch.clusters() == []


def test_go_betweens_of_a_service_unite_no_wallets() -> None:
    launch = Launch(1)
    hot = launch.new_wallet()
    launch.nonce[hot] = 70_000
    through_go_betweens(launch, hot, 1)
    assert launch.clusters() == []


def paid_by_one(launch: Launch, count: int = 5, **change: object) -> tuple[str, list[str]]:
    funder = launch.new_wallet()
    wallets = [launch.new_wallet(funded=False) for _ in range(count)]
    for number, each in enumerate(wallets):
        launch.fund(funder, each)
        funding = launch.funders[each]
        assert funding is not None
        launch.funders[each] = replace(funding, **{"tx_hash": hash_of(600 + number), **change})  # type: ignore[arg-type]
    launch.buy(*wallets)
    return funder, wallets


def test_a_wallet_that_never_acted_belongs_to_no_funder() -> None:
    launch = Launch(1)
    funder, wallets = paid_by_one(launch)
    launch.nonce |= dict.fromkeys(wallets, 0)
    facts = launch.facts()
    assert launch.clusters(replace(facts, transactions={})) == []
    assert launch.clusters(facts) == [{funder, *wallets}]  # they signed their purchases


def test_coins_for_a_wallet_that_holds_tokens_already_are_no_evidence() -> None:
    launch = Launch(1)
    stranger, wallets = launch.new_wallet(), [launch.new_wallet(funded=False) for _ in range(4)]
    launch.buy(*wallets)
    for each in wallets:
        launch.fund(stranger, each)
    assert launch.clusters() == []
    assert launch.clusters(funded_acted=False) == [{stranger, *wallets}]


def test_dust_before_the_real_coins_is_no_evidence() -> None:
    launch = Launch(1)
    paid_by_one(launch, value=10**9)
    assert launch.clusters() == []
    launch = Launch(1)
    funder, wallets = paid_by_one(launch, value=10**16)
    assert launch.clusters() == [{funder, *wallets}]


def test_a_relayer_of_a_mixer_unites_no_wallets() -> None:
    """One withdrawal in each transaction: the funder called the contract for another person."""
    launch = Launch(1)
    paid_by_one(launch, via=launch.contract())
    assert launch.clusters() == []


def test_a_payment_to_several_in_one_transaction_is_their_owners() -> None:
    launch = Launch(1)
    contract = launch.contract()
    funder, wallets = paid_by_one(launch, via=contract, tx_hash=hash_of(77))
    (cluster,) = launch.analysed().report.clusters
    assert {m.address.lower() for m in cluster.members} == {funder, *wallets}
    assert {each.via[0].lower() for each in cluster.evidence} == {contract}


def numbered(launch: Launch, wallets: list[str], nonces: list[int]) -> None:
    """Give the payments to wallets these numbers among their funder's transactions."""
    for wallet, nonce in zip(wallets, nonces, strict=True):
        funding = launch.funders[wallet]
        assert funding is not None
        launch.funders[wallet] = replace(funding, nonce=nonce)


def test_a_funder_who_pays_many_others_between_two_wallets_serves_people() -> None:
    launch = Launch(1)
    funder, wallets = paid_by_one(launch, 8)
    numbered(launch, wallets, [40 * n for n in range(8)])
    assert launch.clusters() == []
    assert launch.clusters(payments_in_a_row=False) == [{funder, *wallets}]
    numbered(launch, wallets, [400 + 4 * n for n in range(8)])
    assert launch.clusters() == [{funder, *wallets}]


def test_wallets_that_were_paid_apart_from_the_others_are_left_out() -> None:
    launch = Launch(1)
    funder, wallets = paid_by_one(launch, 8)
    numbered(launch, wallets, [3, *range(200, 207)])
    assert launch.clusters() == [{funder, *wallets[1:]}]


def test_few_payments_by_a_busy_funder_without_the_token_may_be_chance() -> None:
    launch = Launch(1)
    funder, wallets = paid_by_one(launch, 3)
    numbered(launch, wallets, [300, 301, 302])
    launch.nonce[funder] = 640
    assert launch.clusters() == []
    launch.nonce[funder] = 60
    assert launch.clusters() == [{funder, *wallets}]
    launch.nonce[funder] = 640
    launch.buy(funder)
    assert launch.clusters() == [{funder, *wallets}]


def test_an_employer_owns_no_staff() -> None:
    launch = Launch(1)
    company = launch.used_for_long(nonce=450)
    staff = [launch.used_for_long(company) for _ in range(12)]
    launch.buy(*staff)
    assert launch.clusters() == []


def test_wallets_funded_at_once_by_a_dedicated_funder_have_high_confidence() -> None:
    launch = Launch(1)
    funder, _ = paid_by_one(launch)
    assert [c.confidence for c in launch.analysed().report.clusters] == ["high"]
    launch.nonce[funder] = 400
    assert [c.confidence for c in launch.analysed().report.clusters] == ["medium"]


def test_two_kinds_count_for_all_wallets_only() -> None:
    """One wallet with both kinds of evidence says nothing about the others."""
    launch = Launch(1)
    centre, *rays = launch.star(launch.pool, 5)
    launch.fund(centre, rays[0])
    assert [c.confidence for c in launch.analysed().report.clusters] == ["medium"]


def swept(launch: Launch, wallets: list[str], target: str, remaining: int = 0) -> None:
    launch.swept |= {
        each: Sweep(target, hash_of(5_000 + n), 90, 10**18, remaining)
        for n, each in enumerate(wallets)
    }


def test_wallets_that_sweep_their_coins_to_one_belong_together() -> None:
    launch = Launch(1)
    wallets, target = launch.new_wallets(4), launch.new_wallet()
    launch.buy(*wallets)
    swept(launch, wallets, target)
    assert launch.clusters() == [{target, *wallets}]
    assert launch.analysed().report.clusters[0].evidence[0].type == "nativeSweep"
    swept(launch, wallets, target, remaining=10**18)
    assert launch.clusters() == []


def test_sweeps_to_a_bridge_and_by_established_wallets_are_no_evidence() -> None:
    launch = Launch(1)
    wallets, bridge = launch.new_wallets(4), launch.new_wallet()
    launch.buy(*wallets)
    launch.nonce[bridge] = 300_000
    swept(launch, wallets, bridge)
    assert launch.clusters() == []
    launch = Launch(1)
    victims, thief = [launch.used_for_long() for _ in range(4)], launch.new_wallet()
    launch.buy(*victims)
    swept(launch, victims, thief)
    assert launch.clusters() == []


def test_what_cannot_be_known_is_stated() -> None:
    launch = Launch(1)
    hot = launch.new_wallet()
    launch.nonce[hot] = 70_000
    by_exchange, unknown, unasked = launch.new_wallets(3), launch.new_wallet(), launch.new_wallet()
    for each in by_exchange:
        launch.fund(hot, each)
    launch.funders[unknown] = None
    launch.buy(*by_exchange, unknown, unasked, amount=10_000_000 * UNIT)
    facts = launch.facts()
    facts = replace(facts, funders={k: v for k, v in facts.funders.items() if k != unasked})
    limits = {each.code: each.share for each in launch.analysed(facts).report.limits}
    assert limits["funded_by_services"] == 0.03
    assert limits["funder_not_examined"] == 0.01
    assert isinstance(facts.funders[by_exchange[0]], Funding)
    assert limits["funder_unknown"] is not None
