"""Define scenarios of services that no one has labelled, which are held out while tuning."""

from benchmarks.worlds.chain import ETHER
from benchmarks.worlds.codes import word
from benchmarks.worlds.crowd import buyers, service
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def small_payer(world: World, scale: int) -> None:
    """Let a payer with a few hundred transactions give strangers their first coins in a year."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    payer = world.used(coins=500, nonce=world.random.randint(300, 900), days=700)
    for _ in range(35):
        each = world.used(funder=payer, coins=2, days=world.random.uniform(15, 400))
        world.wait(world.random.randint(50, 500))
        world.buy(each, world.amount())


@scenario()
def friends_who_paid_the_first_fee(world: World, scale: int) -> None:
    """Let people hold the token whose first coins came long ago from a friend who holds it."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    for _ in range(20):
        friend = world.used(coins=20, days=1_050)
        newcomer = world.used(funder=friend, coins=1, days=world.random.uniform(60, 900))
        for each in (friend, newcomer):
            world.wait(world.random.randint(20, 400))
            world.buy(each, world.amount())


@scenario()
def gas_station_of_a_custodian(world: World, scale: int) -> None:
    """Let a custodian give fees to the vaults of its clients, which hold withdrawn tokens."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    world.send(world.deployer, exchange.hot[0], SUPPLY // 10)
    station = service(world, nonce=9_000)
    for _ in range(40):
        vault = world.wallet()
        world.wait(world.random.randint(10, 300))
        exchange.withdraw_tokens(vault, world.amount())
        station.withdraw(vault, 0.005)
        if world.random.random() < 0.5:
            world.wait(30)
            world.sell(vault, world.held(vault) // 3)


@scenario()
def contract_of_a_bridge(world: World, scale: int) -> None:
    """Let a bridge's contract pay strangers, in transactions that its relayer signs."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    relayer = world.used(coins=300, nonce=350_000, days=900)
    bridge = world.infrastructure(12_000)
    world.give(bridge, 10_000 * ETHER)
    for _ in range(45):
        each = world.wallet()
        world.wait(world.random.randint(5, 200))
        internal = [(bridge, each, ETHER // 2)]
        world.tx(relayer, bridge, data="0x2e378115" + word(each), internal=internal)
        world.wait(world.random.randint(5, 200))
        world.buy(each, world.amount())


@scenario()
def launchpad_that_deploys(world: World, scale: int) -> None:
    """Let a launchpad's account deploy for a creator, and pay the creator and two partners."""
    exchange = service(world, 3, label="An exchange")
    launchpad = world.used(coins=500, nonce=70_000, days=400)
    creator = world.wallet()
    exchange.withdraw(creator, 3)
    world.wait(50)
    world.deploy(launchpad)
    world.open_pool()
    for each in (creator, world.used(), world.used()):
        world.wait(1)
        world.send(launchpad, each, SUPPLY // 50)
    own = world.wallets(8, world.owners[creator])
    for each in own:
        world.wait(world.random.randint(5, 100))
        world.pay(creator, each, 0.01)
        world.send(creator, each, SUPPLY // 1_000)
    world.require([creator, *own])
    buyers(world, exchange, 120 * scale)


@scenario()
def sellers_to_a_collector(world: World, scale: int) -> None:
    """Let strangers sell most of what they hold to one unlabelled buyer, outside of the pool."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    collector = world.used(coins=300, nonce=140, days=500)
    for _ in range(30):
        seller = world.used(coins=2)
        world.wait(world.random.randint(20, 200))
        world.buy(seller, world.amount())
        world.wait(world.random.randint(50, 500))
        world.send(seller, collector, world.held(seller) * world.random.randint(55, 95) // 100)
        world.pay(collector, seller, 0.3)


@scenario()
def merchant(world: World, scale: int) -> None:
    """Let customers pay a merchant with a small part of their tokens, their only payment."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    shop = world.used(nonce=220, days=500)
    for customer in buyers(world, exchange, 40, days=2):
        held = world.held(customer)
        if held:
            world.wait(world.random.randint(20, 200))
            world.send(customer, shop, held * world.random.randint(3, 25) // 100)
