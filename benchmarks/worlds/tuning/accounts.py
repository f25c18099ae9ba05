"""Define scenarios of accounts with code that may be looked at while tuning."""

from benchmarks.worlds.chain import DAY, ETHER
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import TEAM, ordinary, shared_funder
from benchmarks.worlds.world import World


def bundler(world: World) -> str:
    """Return a bundler of ERC-4337 operations: a busy account that signs for many people."""
    return world.used(coins=200, nonce=150_000, days=500)


@scenario()
def smart_account_team(world: World, scale: int) -> None:
    """Let the deployer fund ERC-4337 accounts, which buy through a bundler."""
    exchange = start(world, coins=60)
    owner, pays = world.owners[world.deployer], bundler(world)
    team = [world.smart_account(owner) for _ in range(TEAM)]
    for account in team:
        world.wait(world.random.randint(1, 50))
        world.pay(world.deployer, account, 1)
    for account, amount in shares(world, team):
        world.wait(world.random.randint(10, 300))
        world.operate(pays, [(account, [(world.pool, account, amount)])])
    world.require([world.deployer, *team])
    buyers(world, exchange, 120 * scale)


@scenario()
def smart_accounts_of_strangers(world: World, scale: int) -> None:
    """Let a wallet provider give new ERC-4337 accounts their first coins; strangers own them."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    provider, pays = service(world, nonce=200_000), bundler(world)
    for _ in range(40):
        account = world.smart_account(world.person())
        world.wait(world.random.randint(5, 200))
        provider.withdraw(account, 0.003)
        world.operate(pays, [(account, [(world.pool, account, world.amount())])])


@scenario()
def owners_of_a_safe(world: World, scale: int) -> None:
    """Let four people own a Safe together, and hold the token themselves."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    people = [stranger(world, exchange) for _ in range(4)]
    safe = world.safe(people, world.person(), threshold=3)
    world.give(safe, 5 * ETHER, world.block - DAY)
    for each in people:
        world.wait(100)
        world.buy(each, world.amount())
    world.execute(safe, people[0], [(world.pool, safe, world.amount(4_000_000, 6_000_000))])
    for each in people:
        world.wait(300)
        world.execute(safe, people[1], [(safe, each, world.amount(10_000, 50_000))])


@scenario()
def airdrop_farm(world: World, scale: int) -> None:
    """Let a farmer fund wallets in one transaction, claim with each, and collect most."""
    exchange = start(world, coins=60)
    claims = world.infrastructure()
    world.send(world.deployer, claims, 100_000_000 * 10**18)
    farmer = world.wallet()
    exchange.withdraw(farmer, 10)
    farm = world.wallets(40, world.owners[farmer])
    world.wait(50)
    world.pay_through(disperser(world), farmer, [(each, 0.05) for each in farm])
    crowd = [stranger(world, exchange) for _ in range(120 * scale)]
    receivers = farm + crowd
    world.random.shuffle(receivers)
    for each in receivers:
        world.wait(world.random.randint(1, 60))
        moves = [(claims, each, 250_000 * 10**18)]
        world.tx(each, claims, data="0x4e71d92d", moves=moves)
    for each in farm[1:]:
        world.wait(world.random.randint(1, 20))
        world.send(each, farm[0], 200_000 * 10**18)
    world.require(farm)
    buyers(world, exchange, 60 * scale)
