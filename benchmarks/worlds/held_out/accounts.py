"""Define scenarios of accounts with code that are held out while tuning."""

from benchmarks.worlds.chain import ETHER
from benchmarks.worlds.crowd import buyers, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import TEAM, ordinary, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def delegated_team(world: World, scale: int) -> None:
    """Let a team's accounts run the same public code (EIP-7702) as strangers' accounts do."""
    exchange = start(world, coins=60)
    team = world.wallets(TEAM, world.owners[world.deployer])
    crowd = [stranger(world, exchange) for _ in range(30)]
    for member in team:
        world.wait(world.random.randint(1, 60))
        world.pay(world.deployer, member, 1)
    for account in team + crowd:
        world.delegate(account)
    receivers = shares(world, team + crowd)
    world.random.shuffle(receivers)
    for account, amount in receivers:
        world.wait(world.random.randint(5, 100))
        world.buy(account, amount)
    world.require([world.deployer, *team])
    buyers(world, exchange, 100 * scale)


@scenario()
def sponsored_delegated_strangers(world: World, scale: int) -> None:
    """Let a sponsor sign the purchases of strangers' delegated accounts, several at a time."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    sponsor = world.used(coins=300, nonce=60_000, days=200)
    batcher = world.infrastructure(6_000)
    for _ in range(10):
        world.wait(world.random.randint(50, 300))
        people = [stranger(world, exchange) for _ in range(4)]
        for each in people:
            world.delegate(each)
        moves = [(world.pool, each, world.amount()) for each in people]
        world.tx(sponsor, batcher, data="0x3f707e6b", moves=moves)


@scenario()
def team_of_safes(world: World, scale: int) -> None:
    """Let a treasury Safe pay the team, whose wallets are Safes too."""
    exchange = start(world, coins=60)
    owner = world.owners[world.deployer]
    treasury = world.safe([world.deployer], owner)
    world.give(treasury, ETHER, world.block)
    team = [world.safe([world.deployer], owner) for _ in range(TEAM)]
    world.wait(20)
    world.send(world.deployer, treasury, SUPPLY * 12 // 100)
    paid = shares(world, team)
    for first in range(0, TEAM, 5):
        world.wait(world.random.randint(1, 50))
        moves = [(treasury, member, amount) for member, amount in paid[first : first + 5]]
        world.execute(treasury, world.deployer, moves)
    world.require([world.deployer, treasury, *team])
    buyers(world, exchange, 120 * scale)


@scenario()
def grants_of_a_community(world: World, scale: int) -> None:
    """Let a Safe of five people pay grants to people who have used their wallets for long."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    signers = [world.used() for _ in range(5)]
    safe = world.safe(signers, world.person(), threshold=3)
    world.execute(safe, signers[0], [(world.pool, safe, SUPPLY // 20)])
    for _ in range(25):
        world.wait(world.random.randint(100, 700))
        person = world.used()
        amount = world.amount(50_000, 900_000)
        world.execute(safe, world.random.choice(signers), [(safe, person, amount)])


@scenario()
def bundled_operations_of_strangers(world: World, scale: int) -> None:
    """Let a bundler execute the purchases of several strangers' accounts in one transaction."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    bundler = world.used(coins=200, nonce=90_000, days=500)
    for _ in range(12):
        accounts = [world.smart_account(world.person()) for _ in range(4)]
        for account in accounts:
            world.wait(world.random.randint(1, 90))
            world.pay(stranger(world, exchange), account, 0.08)
        world.operate(
            bundler,
            [(each, [(world.pool, each, world.amount())]) for each in accounts],
        )


@scenario()
def peel_chain_of_sybils(world: World, scale: int) -> None:
    """Let each wallet of a farm fund the next one, claim, and keep the tokens."""
    exchange = start(world)
    claims = world.infrastructure()
    world.send(world.deployer, claims, SUPPLY // 10)
    owner = world.person()
    farm = world.wallets(35, owner)
    exchange.withdraw(farm[0], 2)
    crowd = [stranger(world, exchange) for _ in range(100 * scale)]
    for number, each in enumerate(farm):
        world.wait(world.random.randint(3, 60))
        world.tx(each, claims, data="0x4e71d92d", moves=[(claims, each, SUPPLY // 4_000)])
        if each != farm[-1]:
            world.sweep(each, farm[number + 1])
        for other in crowd[number :: len(farm)]:
            world.wait(2)
            world.tx(other, claims, data="0x4e71d92d", moves=[(claims, other, SUPPLY // 4_000)])
    world.require(farm)
    buyers(world, exchange, 60 * scale)
