"""Services are recognised by what they did, and contracts by what they are."""

import pytest

from compute.analysis import Label
from compute.analysis.accounts import account_of, clone_of, looks_constructed, pool_of
from compute.chain_facts import Code, Probe
from tests.compute.analysis.launch import CONTRACT, TOKEN, UNIT, Launch, hash_of

SAFE_PROXY = bytes.fromhex(
    "608060405273ffffffffffffffffffffffffffffffffffffffff600054167fa619486e0000000000000000000000"
)
ERC1967 = bytes.fromhex(
    "363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc545af43d"
    "6000803e6038573d6000fd5b3d6000f3"
)
ENTRY_POINT = bytes(12) + bytes.fromhex("0000000071727de22e5e9d8baf0edac6f37da032")
SINGLETON = "41675c099f32341bf84bfc5382af534df5c7461a"


def code(start: bytes, size: int | None = None) -> Code:
    return Code(size or len(start), hash_of(7), start)


def clone(implementation: str) -> Code:
    return code(
        bytes.fromhex(f"363d3d373d3d3d363d73{implementation}5af43d82803e903d91602b57fd5bf3")
    )


def exclusions(launch: Launch) -> dict[str, tuple[str, str]]:
    found = launch.analysed().report.exclusions
    return {each.address.lower(): (each.basis, each.why) for each in found}


def paid_by_one(launch: Launch, count: int = 10) -> tuple[str, list[str]]:
    funder, wallets = launch.new_wallet(), launch.new_wallets(count)
    for each in wallets:
        launch.fund(funder, each)
    launch.buy(*wallets)
    return funder, wallets


def test_an_account_that_sent_thousands_of_transactions_is_a_service() -> None:
    launch = Launch(1)
    funder, wallets = paid_by_one(launch)
    assert launch.clusters() == [{funder, *wallets}]
    launch.nonce[funder] = 4_812
    assert launch.clusters() == []
    assert exclusions(launch)[funder] == ("behaviour", "sent 4,812 transactions")


def test_an_account_whose_transactions_are_unknown_unites_no_wallets() -> None:
    launch = Launch(1)
    funder, _ = paid_by_one(launch)
    facts = launch.facts()
    del facts.nonces[funder]  # type: ignore[attr-defined]
    assert launch.clusters(facts) == []


def test_the_first_funder_of_many_wallets_is_a_service() -> None:
    launch = Launch(1)
    funder, _ = paid_by_one(launch, 61)
    assert launch.clusters() == []
    assert exclusions(launch)[funder] == ("behaviour", "first funder of 61 wallets")


def test_a_service_by_its_funding_is_no_source_of_tokens_either() -> None:
    launch = Launch(1)
    funder, _ = paid_by_one(launch, 61)
    launch.buy(funder)
    for each in launch.new_wallets(3):
        launch.transfer(funder, each, 5_000 * UNIT)
    assert launch.clusters() == []


def test_the_target_of_deposit_addresses_is_a_service() -> None:
    launch = Launch(1)
    hot, customers, deposits = launch.new_wallet(), launch.new_wallets(9), launch.new_wallets(9)
    launch.buy(*customers)
    for customer, deposit in zip(customers, deposits, strict=True):
        launch.transfer(customer, deposit, 45_000 * UNIT)
        launch.transfer(deposit, hot, 45_000 * UNIT)
    assert all(hot not in cluster for cluster in launch.clusters())
    assert exclusions(launch)[hot][1] == "9 deposit addresses were emptied to it"


def test_an_owner_who_collects_is_no_service() -> None:
    launch = Launch(1)
    centre, *members = launch.sink(launch.pool, 12)
    assert launch.clusters() == [{centre, *members}]


def test_who_receives_from_many_and_sends_to_many_others_is_a_service() -> None:
    launch = Launch(1)
    desk, sellers, buyers = launch.new_wallet(), launch.new_wallets(25), launch.new_wallets(25)
    launch.buy(*sellers)
    for each in sellers:
        launch.transfer(each, desk, 20_000 * UNIT)
    for each in buyers:
        launch.transfer(desk, each, 15_000 * UNIT)
    assert launch.clusters() == []
    why = exclusions(launch)[desk][1]
    assert why == "received the token from 25 wallets and sent it to 25 others"


def test_an_owner_who_spreads_and_collects_is_no_service() -> None:
    launch = Launch(1)
    centre, *rays = launch.star(launch.pool, 40)
    for each in rays:
        launch.transfer(each, centre, launch.balances()[each] // 2)
    assert launch.clusters() == [{centre, *rays}]


def test_an_exclusion_by_label_names_the_label() -> None:
    launch = Launch(1)
    funder, _ = paid_by_one(launch, 3)
    launch.labels[funder] = Label("exchange", "An exchange", "https://example.com")
    report = launch.analysed().report
    (found,) = [each for each in report.exclusions if each.address.lower() == funder]
    assert (found.basis, found.why, found.source) == (
        "label", "An exchange", "https://example.com",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("account", "probe"),
    [
        (code(bytes.fromhex("ef0100" + "11" * 20)), None),
        (code(SAFE_PROXY, 171), None),
        (clone(SINGLETON), None),
        (clone("11" * 20), Probe({"entryPoint()": ENTRY_POINT})),
        (code(ERC1967), Probe({"entryPoint()": ENTRY_POINT})),
        (code(ERC1967), Probe({"getOwners()": b"\1" * 96, "getThreshold()": b"\1" * 32})),
    ],
)
def test_an_account_with_code_is_a_person(account: Code, probe: Probe | None) -> None:
    launch = Launch(1)
    treasury = launch.contract(probe, account)
    team = launch.new_wallets(4)
    launch.transfer(launch.deployer, treasury, 1_000_000 * UNIT)
    for each in team:
        launch.act(launch.deployer, (treasury, each, 100_000 * UNIT), accounts=[treasury])
    assert launch.clusters() == [{launch.deployer, treasury, *team}]
    report = launch.analysed().report
    assert {m.kind for m in report.clusters[0].members} == {"eoa"}


@pytest.mark.parametrize(
    ("contract", "probe"),
    [
        (CONTRACT, Probe({"entryPoint()": ENTRY_POINT})),  # a paymaster says so, too
        (code(ERC1967), Probe({"entryPoint()": bytes(12) + b"\x11" * 20})),
        (code(ERC1967), None),
        (clone("11" * 20), None),
    ],
)
def test_other_contracts_are_no_persons(contract: Code, probe: Probe | None) -> None:
    assert account_of(contract, probe) is None


def test_a_contract_that_executed_an_operation_is_a_person() -> None:
    launch = Launch(1)
    account, other, bundler = launch.contract(), launch.new_wallet(), launch.new_wallet()
    launch.transfer(launch.deployer, account, 1_000_000 * UNIT)
    launch.act(bundler, (account, other, 100_000 * UNIT), accounts=[account])
    assert {launch.deployer, account, other} in launch.clusters()


def test_a_clone_names_its_implementation() -> None:
    assert clone_of(clone(SINGLETON)) == f"0x{SINGLETON}"
    assert clone_of(CONTRACT) is None


def test_a_pool_is_one_of_this_token() -> None:
    word = bytes(12) + bytes.fromhex(TOKEN[2:])
    assert pool_of(Probe({"token0()": word, "token1()": b"\0" * 31 + b"\1"}), TOKEN)
    assert pool_of(Probe({"token0()": b"\0" * 31 + b"\2", "token1()": word}), TOKEN)
    assert pool_of(Probe({"token0()": word}), TOKEN) is None
    assert pool_of(Probe({"token0()": word, "token1()": b""}), "0x" + "12" * 20) is None
    assert pool_of(None, TOKEN) is None


def test_a_pool_counts_as_a_pool() -> None:
    launch = Launch(1)
    kinds = {each.address.lower(): each.kind for each in launch.analysed().holders}
    assert kinds[launch.pool] == "pool"


@pytest.mark.parametrize(
    "address",
    [
        "0x0000000000000000000000000000000000000001",
        "0xdead000000000000000042069420694206942069",
        "0x000000000000000000000000000000000000dead",
        "0xdeaddeaddeaddeaddeaddeaddeaddeaddeaddead",
        "0x1111111111111111111111111111111111111111",
    ],
)
def test_constructed_addresses_that_never_acted_are_burns(address: str) -> None:
    assert looks_constructed(address)
    launch = Launch(1)
    launch.nonce[address] = 0
    launch.transfer(launch.deployer, address, 50_000_000 * UNIT)
    assert launch.analysed().report.supply.burned == pytest.approx(0.05)


@pytest.mark.parametrize("acted", [True, False])
def test_a_person_with_a_vanity_address_is_no_burn(acted: bool) -> None:  # noqa: FBT001
    launch = Launch(1)
    vanity = "0x00000000003b3cc22af3ae1eac0440bcee416b40"
    if acted:
        vanity = "0x0000000000000000000000000000000000000abc"
    launch.nonce[vanity] = 3 if acted else 0
    launch.transfer(launch.deployer, vanity, 50_000_000 * UNIT)
    assert launch.analysed().report.supply.burned == 0


def test_an_ordinary_address_that_never_acted_is_no_burn() -> None:
    assert not looks_constructed("0x28c6c06298d514db089934071355e5743bf21d60")
    assert not looks_constructed("0xbe0eb53f46cd790cd13851d5eff43d12404d33e8")


def test_the_code_of_an_account_outweighs_nothing_that_a_label_says() -> None:
    launch = Launch(1)
    treasury = launch.contract(code=code(SAFE_PROXY, 171))
    launch.labels[treasury] = Label("exchange", "A desk", "https://example.com")
    launch.transfer(launch.deployer, treasury, 1_000_000 * UNIT)
    assert launch.analysed().report.supply.exchanges > 0
