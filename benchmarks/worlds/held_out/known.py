"""Define scenarios of funding, payment and attack that are held out while tuning."""

from benchmarks.worlds.chain import UNIT
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import (
    bought_apart,
    collected,
    funded_by_exchange,
    mixer,
    ordinary,
    paid_by_mixer,
    shared_funder,
    sink,
    star,
    team_of,
)
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def bundle_through_a_peel_chain(world: World, scale: int) -> None:
    """Fund a bundle by a chain of fresh wallets, each of which hands on the rest."""
    exchange = start(world, pool=False, coins=60)
    team, at = team_of(world), world.deployer
    for number, member in enumerate(team):
        between = world.wallet(world.owners[world.deployer])
        world.wait(world.random.randint(1, 40))
        if number:
            world.sweep(at, between)
        else:
            world.pay(at, between, 25)
        world.wait(world.random.randint(1, 40))
        world.pay(between, member, 1)
        at = between
    world.open_pool()
    for member, amount in shares(world, team):
        world.buy(member, amount)
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def bundle_through_three_hops(world: World, scale: int) -> None:
    """Put three fresh wallets between the payer and each wallet of a bundle."""
    exchange = start(world, pool=False, coins=60)
    team = team_of(world)
    for member in team:
        at = world.deployer
        for hop in range(3):
            between = world.wallet(world.owners[world.deployer])
            world.wait(world.random.randint(1, 30))
            if hop:
                world.sweep(at, between)
            else:
                world.pay(at, between, 1.05)
            at = between
        world.wait(world.random.randint(1, 30))
        world.sweep(at, member)
    world.open_pool()
    for member, amount in shares(world, team):
        world.wait(world.random.randint(0, 1))
        world.buy(member, amount)
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario(recall=None)
def bundle_in_the_launch_block(world: World, scale: int) -> None:
    """Let wallets that a mixer paid buy in the launch block, next to snipers."""
    exchange = start(world, pool=False)
    team = team_of(world)
    paid_by_mixer(world, mixer(world), team)
    snipers = [stranger(world, exchange) for _ in range(12)]
    world.open_pool()
    world.suspects.update(team + snipers)
    first = shares(world, team + snipers)
    world.random.shuffle(first)
    for wallet, amount in first:
        world.buy(wallet, amount)
    world.wait(1)
    buyers(world, exchange, 150 * scale)


@scenario(recall=None)
def exchange_paid_team(world: World, scale: int) -> None:
    """Fund the team from a labelled exchange; nothing else connects it."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    bought_apart(world, team)
    buyers(world, exchange, 150 * scale)


@scenario()
def unlabelled_deposit_addresses(world: World, scale: int) -> None:
    """Let thirty hot wallets that no one has labelled pay out and take deposits."""
    exchange = start(world)
    for _ in range(30):
        unknown = service(world, nonce=3_000)
        world.send(world.deployer, unknown.hot[0], SUPPLY // 2_000)
        for _ in range(3 * scale):
            world.wait(world.random.randint(1, 200))
            customer = stranger(world, unknown)
            world.buy(customer, world.amount())
            world.wait(world.random.randint(1, 200))
            unknown.deposit(customer, world.held(customer) * world.random.randint(50, 99) // 100)
        for _ in range(2 * scale):
            world.wait(world.random.randint(1, 200))
            customer = world.wallet()
            unknown.withdraw_tokens(customer, world.amount(1_000, 5_000))
            unknown.withdraw(customer, 0.05)
    for _ in range(3):
        star(world, exchange, world.random.randint(4, 12))
        sink(world, exchange, world.random.randint(4, 12))
        shared_funder(world, exchange, world.random.randint(4, 12))


@scenario()
def multisender_without_a_stop(world: World, scale: int) -> None:
    """Let a contract move each share directly from the deployer to the team."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    paid = shares(world, team)
    contract = disperser(world)
    world.send_through(contract, world.deployer, paid[:12], pulls=False)
    world.wait(30)
    world.send_through(contract, world.deployer, paid[12:], pulls=False)
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def multisender_then_collection(world: World, scale: int) -> None:
    """Pay the team among real receivers; later it collects."""
    exchange = start(world)
    team = team_of(world)
    collector = world.wallet(world.owners[world.deployer])
    funded_by_exchange(world, exchange, [*team, collector])
    receivers = team + [stranger(world, exchange) for _ in range(200 * scale)]
    world.random.shuffle(receivers)
    contract = disperser(world)
    for first in range(0, len(receivers), 110):
        world.wait(1)
        paid = shares(world, receivers[first : first + 110], 2)
        world.send_through(contract, world.deployer, paid)
    buyers(world, exchange, 60 * scale)
    world.buy(collector, world.amount())
    collected(world, team, collector)
    world.require([collector, *team])


@scenario(recall=None)
def profits_swept_in_native_coins(world: World, scale: int) -> None:
    """Let the team sell, and send all its native coins to one address."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    bought_apart(world, team)
    buyers(world, exchange, 150 * scale)
    target = world.wallet(world.owners[world.deployer])
    for member in team:
        world.wait(world.random.randint(5, 100))
        world.sell(member, world.held(member) // 2)
        world.wait(world.random.randint(5, 100))
        world.sweep(member, target)


@scenario()
def minted_at_creation(world: World, scale: int) -> None:
    """Mint to the team in the transaction that creates the token."""
    exchange = service(world, 3, label="An exchange")
    deployer = world.wallet()
    exchange.withdraw(deployer, 40)
    world.wait(300)
    team = world.wallets(20, world.owners[deployer])
    funded_by_exchange(world, exchange, team)
    world.deploy(deployer, shares(world, team, 12))
    world.wait(3)
    world.open_pool()
    world.require([deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def desk_of_forty(world: World, scale: int) -> None:
    """Let a desk that no one has labelled be the first source of forty people."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    desk = world.used(coins=400, nonce=4_000)
    world.buy(desk, 40_000_000 * UNIT, ether=100)
    for _ in range(40):
        client = stranger(world, exchange)
        world.wait(world.random.randint(50, 500))
        world.pay(client, desk, 0.1)
        world.send(desk, client, world.amount(100_000, 900_000))
