"""A transfer links wallets only if the sender acted, and one transaction is one act."""

from dataclasses import replace

import pytest

from tests.compute.analysis.launch import SUPPLY, UNIT, ZERO, Launch


def test_a_spoofed_sender_is_linked_to_no_wallet() -> None:
    launch = Launch(1)
    famous, scammer = launch.new_wallets(2)
    launch.buy(famous)
    for each in launch.new_wallets(3):
        launch.act(scammer, (famous, each, 10_000 * UNIT))
    assert launch.clusters() == []
    assert len(launch.clusters(sender_acted=False)) == 1


def test_a_drainer_owns_no_victim() -> None:
    launch = Launch(1)
    victims, (thief, safe_house) = launch.new_wallets(10), launch.new_wallets(2)
    launch.buy(*victims)
    for victim in victims:
        launch.act(thief, (victim, safe_house, 45_000 * UNIT))
    assert launch.clusters() == []


def test_a_small_payment_of_their_own_makes_no_victims() -> None:
    """The largest transfer to the thief must be the victim's, not any of them."""
    launch = Launch(1)
    victims, (thief, safe_house) = launch.new_wallets(4), launch.new_wallets(2)
    launch.buy(*victims)
    for victim in victims:
        launch.transfer(victim, safe_house, 1_000 * UNIT)
        launch.act(thief, (victim, safe_house, 45_000 * UNIT))
    assert launch.clusters() == []


def test_an_unknown_sender_is_no_evidence() -> None:
    launch = Launch(1)
    centre, *_ = launch.star(launch.pool, 3)
    facts = launch.facts()
    assert launch.clusters(replace(facts, transactions={})) == []
    assert any(centre in cluster for cluster in launch.clusters(facts))


def test_an_account_whose_operation_was_executed_acted() -> None:
    launch = Launch(1)
    account, bundler, other = launch.new_wallets(3)
    launch.nonce[bundler] = 90_000
    launch.buy(account)
    launch.act(bundler, (account, other, 20_000 * UNIT), accounts=[account])
    assert launch.clusters() == [{account, other}]


def test_who_pays_a_multisender_is_the_source_of_what_it_pays() -> None:
    launch = Launch(1)
    contract, team = launch.contract(), launch.new_wallets(6)
    paid = [(contract, each, (n + 1) * 10_000 * UNIT) for n, each in enumerate(team)]
    launch.act(launch.deployer, (launch.deployer, contract, 210_000 * UNIT), *paid, to=contract)
    (cluster,) = launch.analysed().report.clusters
    assert {m.address.lower() for m in cluster.members} == {launch.deployer, *team}
    assert {each.via[0].lower() for each in cluster.evidence} == {contract}
    assert launch.clusters(multisenders=False) == []


def test_a_contract_that_keeps_a_part_is_no_multisender() -> None:
    launch = Launch(1)
    contract, team = launch.contract(), launch.new_wallets(3)
    paid = [(contract, each, 10_000 * UNIT) for each in team]
    launch.act(launch.deployer, (launch.deployer, contract, 90_000 * UNIT), *paid, to=contract)
    assert launch.clusters() == []


def test_a_settlement_links_neither_the_sellers_nor_the_buyers() -> None:
    launch = Launch(1)
    settlement, (solver, seller), buyers = (
        launch.contract(), launch.new_wallets(2), launch.new_wallets(3),
    )  # fmt: skip
    launch.buy(seller)
    paid = [(settlement, each, 10_000 * UNIT) for each in buyers]
    launch.act(solver, (seller, settlement, 30_000 * UNIT), *paid, to=settlement)
    assert launch.clusters() == []


def test_a_payment_to_many_through_a_contract_is_a_distribution() -> None:
    launch = Launch(1)
    contract, recipients = launch.contract(), launch.new_wallets(60)
    paid = [(contract, each, 2_000 * UNIT) for each in recipients]
    launch.act(launch.deployer, (launch.deployer, contract, 120_000 * UNIT), *paid, to=contract)
    report = launch.analysed().report
    assert report.clusters == ()
    assert [each.recipients for each in report.distributions] == [60]


def test_a_spoofed_sender_distributes_nothing() -> None:
    launch = Launch(1)
    famous, scammer = launch.new_wallets(2)
    launch.buy(famous)
    for each in launch.new_wallets(60):
        launch.act(scammer, (famous, each, 2_000 * UNIT))
    assert launch.analysed().report.distributions == ()


@pytest.mark.parametrize("keeps", [True, False])
def test_what_creation_mints_comes_from_the_one_who_signed_it(keeps: bool) -> None:  # noqa: FBT001
    launch = Launch(1)
    team = launch.new_wallets(4)
    launch.rows.clear()
    own = [(ZERO, launch.deployer, SUPPLY // 2)] if keeps else []
    minted = [*own, *[(ZERO, each, SUPPLY // 10) for each in team]]
    launch.act(launch.deployer, *minted, to=None)
    (found,) = launch.clusters()
    assert found >= set(team)
    assert launch.clusters(creation_mints=False) == []


def test_a_mint_in_another_transaction_is_no_creation() -> None:
    launch = Launch(1)
    customers = launch.new_wallets(4)
    for each in customers:
        launch.act(launch.deployer, (ZERO, each, SUPPLY // 10))
    assert launch.clusters() == []


def test_a_creation_that_a_busy_account_signs_for_others_links_no_wallets() -> None:
    launch = Launch(1)
    launch.rows.clear()
    launch.nonce[launch.deployer] = 40_000
    minted = [(ZERO, each, SUPPLY // 10) for each in launch.new_wallets(4)]
    launch.act(launch.deployer, *minted, to=None)
    assert launch.clusters() == []


def test_wallets_that_one_signer_bought_for_belong_together() -> None:
    launch = Launch(1)
    contract, wallets, signer = launch.contract(), launch.new_wallets(8), launch.new_wallet()
    bought = [(launch.pool, each, 10_000 * UNIT) for each in wallets]
    launch.act(signer, *bought, to=contract)
    (cluster,) = launch.analysed().report.clusters
    assert {m.address.lower() for m in cluster.members} == {signer, *wallets}
    assert {each.type for each in cluster.evidence} == {"bundle"}
    assert launch.clusters(bundle_recipients=0) == []


def test_a_bundle_may_come_through_the_contract_that_bought_it() -> None:
    launch = Launch(1)
    contract, wallets = launch.contract(), launch.new_wallets(4)
    paid = [(contract, each, 10_000 * UNIT) for each in wallets]
    launch.act(launch.deployer, (launch.pool, contract, 40_000 * UNIT), *paid, to=contract)
    assert launch.clusters() == [{launch.deployer, *wallets}]


def bundled(launch: Launch, signer: str, source: str, to: str, **act: object) -> list[str]:
    wallets = launch.new_wallets(5)
    moves = [(source, each, 10_000 * UNIT) for each in wallets]
    launch.act(signer, *moves, to=to, **act)  # type: ignore[arg-type]
    return wallets


def test_a_solver_that_settles_for_others_owns_none_of_them() -> None:
    launch = Launch(1)
    solver = launch.new_wallet()
    launch.nonce[solver] = 50_000
    bundled(launch, solver, launch.pool, launch.contract())
    assert launch.clusters() == []


def test_a_vesting_contract_that_pays_several_is_no_bundle() -> None:
    launch = Launch(1)
    contract = launch.contract()
    launch.transfer(launch.deployer, contract, SUPPLY // 10)
    bundled(launch, launch.deployer, contract, contract)
    assert launch.clusters() == []


def test_operations_of_several_accounts_in_one_transaction_are_no_bundle() -> None:
    launch = Launch(1)
    bundler, accounts = launch.new_wallet(), launch.new_wallets(4)
    moves = [(launch.pool, each, 10_000 * UNIT) for each in accounts]
    launch.act(bundler, *moves, accounts=accounts)
    assert launch.clusters() == []


def test_wallets_that_take_a_fee_of_every_purchase_are_no_bundle() -> None:
    launch = Launch(1)
    fees, buyers = launch.new_wallets(2), launch.new_wallets(12)
    for buyer in buyers:
        paid = [(launch.pool, each, 1_500 * UNIT) for each in fees]
        launch.act(buyer, (launch.pool, buyer, 50_000 * UNIT), *paid)
    assert launch.clusters() == []


def test_a_signer_who_buys_for_wallets_with_a_life_of_their_own_owns_none() -> None:
    launch = Launch(1)
    wallets = [launch.used_for_long() for _ in range(4)]
    moves = [(launch.pool, each, 10_000 * UNIT) for each in wallets]
    launch.act(launch.new_wallet(), *moves, to=launch.contract())
    assert launch.clusters() == []


def test_gifts_to_wallets_with_a_life_of_their_own_are_no_evidence() -> None:
    launch = Launch(1)
    giver, friend = launch.new_wallet(), launch.used_for_long()
    launch.buy(giver)
    launch.transfer(giver, friend, 20_000 * UNIT)
    assert launch.clusters() == []
    assert launch.clusters(own_life_nonce=0) == [{giver, friend}]


def test_who_pays_established_wallets_owns_not_the_fresh_ones_either() -> None:
    launch = Launch(1)
    host, fresh = launch.new_wallet(), launch.new_wallets(5)
    launch.buy(host)
    for each in (*fresh, *[launch.used_for_long() for _ in range(10)]):
        launch.transfer(host, each, 2_000 * UNIT)
    assert launch.clusters() == []


def test_an_owner_who_also_pays_others_owns_the_fresh_wallets() -> None:
    launch = Launch(1)
    team, promoters = launch.new_wallets(8), [launch.used_for_long() for _ in range(6)]
    for each in (*team, *promoters):
        launch.transfer(launch.deployer, each, 100_000 * UNIT)
    assert launch.clusters() == [{launch.deployer, *team}]


def test_a_giveaway_in_one_transaction_links_none_of_the_winners() -> None:
    launch = Launch(1)
    winners = [*launch.new_wallets(7), *[launch.used_for_long() for _ in range(3)]]
    moves = [(launch.deployer, each, 5_000 * UNIT) for each in winners]
    launch.act(launch.deployer, *moves, to=launch.contract())
    assert launch.clusters() == []


def test_a_fresh_wallet_may_have_become_busy() -> None:
    launch = Launch(1)
    centre, *rays = launch.star(launch.pool, 4)
    launch.nonce |= dict.fromkeys(rays, 300)
    assert launch.clusters() == [{centre, *rays}]


def test_wallets_that_send_to_a_buyer_with_a_life_of_their_own_are_sellers() -> None:
    launch = Launch(1)
    seller, buyer = launch.new_wallet(), launch.used_for_long()
    launch.buy(seller, buyer)
    launch.transfer(seller, buyer, 45_000 * UNIT)
    assert launch.clusters() == []


def test_established_sellers_are_not_their_buyers() -> None:
    launch = Launch(1)
    buyer, sellers = launch.new_wallet(), [launch.used_for_long() for _ in range(20)]
    launch.buy(buyer, *sellers)
    for each in sellers:
        launch.transfer(each, buyer, 45_000 * UNIT)
    assert launch.clusters() == []


def test_what_the_contract_of_a_market_moves_for_a_seller_is_a_sale() -> None:
    launch = Launch(1)
    market, (seller, customer) = launch.contract(), launch.new_wallets(2)
    launch.buy(seller)
    launch.act(seller, (seller, customer, 45_000 * UNIT), to=market)
    assert launch.clusters() == []
    assert launch.clusters(direct_transfers=False) == [{seller, customer}]


def test_who_pays_several_through_a_contract_owns_them() -> None:
    launch = Launch(1)
    team = launch.new_wallets(4)
    moves = [(launch.deployer, each, 5_000 * UNIT) for each in team]
    launch.act(launch.deployer, *moves, to=launch.contract())
    assert launch.clusters() == [{launch.deployer, *team}]


def test_a_keeper_who_mostly_buys_for_established_wallets_owns_none() -> None:
    launch = Launch(1)
    keeper, contract = launch.new_wallet(), launch.contract()
    for wallets in (
        launch.new_wallets(3),
        [launch.used_for_long() for _ in range(3)],
        [launch.used_for_long() for _ in range(3)],
    ):
        moves = [(launch.pool, each, 10_000 * UNIT) for each in wallets]
        launch.act(keeper, *moves, to=contract)
    assert launch.clusters() == []


def test_a_treasury_that_distributes_in_batches_owns_not_those_it_pays_alone() -> None:
    launch = Launch(1)
    treasury, contract, fresh = launch.new_wallet(), launch.contract(), launch.new_wallets(3)
    launch.buy(treasury)
    for _ in range(3):
        people = [*launch.new_wallets(2), *[launch.used_for_long() for _ in range(3)]]
        launch.act(treasury, *[(treasury, each, 500 * UNIT) for each in people], to=contract)
    for each in fresh:
        launch.transfer(treasury, each, 500 * UNIT)
    assert launch.clusters() == []
