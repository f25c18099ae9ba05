"""Define scenarios of trades and payments that may be looked at while tuning."""

from benchmarks.worlds.chain import ETHER, UNIT, ZERO
from benchmarks.worlds.codes import words
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import funded_by_exchange, ordinary, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def snipers_in_one_block(world: World, scale: int) -> None:
    """Let bots of different people buy equal amounts in the launch block, through one router."""
    exchange = start(world, pool=False)
    snipers = [stranger(world, exchange) for _ in range(25)]
    world.suspects.update(snipers)
    router = world.infrastructure(8_000)
    world.open_pool()
    for number, each in enumerate(snipers):
        world.buy(each, (5_000_000 + number % 3) * UNIT, through=router)
    world.wait(1)
    shared_funder(world, exchange, 12)
    buyers(world, exchange, 100 * scale)


@scenario()
def batch_settlement(world: World, scale: int) -> None:
    """Let a solver settle the purchases of several strangers in one transaction."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    solver = world.used(coins=500, nonce=120_000, days=600)
    settlement = world.infrastructure(14_000)
    for _ in range(10):
        world.wait(world.random.randint(50, 500))
        traders = [(stranger(world, exchange), world.amount()) for _ in range(4)]
        total = sum(amount for _, amount in traders)
        moves = [(world.pool, settlement, total)]
        moves += [(settlement, trader, amount) for trader, amount in traders]
        world.tx(solver, settlement, data="0x13d79a0b", moves=moves)


@scenario()
def giveaway(world: World, scale: int) -> None:
    """Let the deployer pay thirty winners through a contract; most have traded for long."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    winners = [world.used() for _ in range(20)]
    fresh = [world.wallet() for _ in range(10)]
    funded_by_exchange(world, exchange, fresh)
    winners += fresh
    world.random.shuffle(winners)
    world.send_through(disperser(world), world.deployer, shares(world, winners, 0.5))


@scenario()
def gifts_between_friends(world: World, scale: int) -> None:
    """Let holders give a part to friends, who have used their wallets for long."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    for giver in buyers(world, exchange, 50):
        held = world.held(giver)
        if held:
            world.wait(world.random.randint(20, 300))
            world.send(giver, world.used(), held * world.random.randint(5, 60) // 100)


@scenario()
def bonding_curve(world: World, scale: int) -> None:
    """Let a creator launch on a bonding curve, and buy for a team in the same transaction."""
    exchange = service(world, 3, label="An exchange")
    creator = world.wallet()
    exchange.withdraw(creator, 20)
    world.wait(100)
    curve = world.infrastructure(9_000)
    team = world.wallets(18, world.owners[creator])
    world.deploy(creator, [(curve, SUPPLY)])
    launch = world.transactions[world.block].pop()
    moves = [(curve, each, amount) for each, amount in shares(world, team, 15)]
    world.tokens.clear()
    del world.by_hash[launch.hash]
    world.tx(creator, None, moves=[(ZERO, curve, SUPPLY), *moves], creates=world.token)
    world.pool = curve
    world.wait(2)
    world.require(team)
    for each in [stranger(world, exchange) for _ in range(100 * scale)]:
        world.wait(world.random.randint(1, 20))
        world.buy(each, world.amount(50_000, 900_000), through=curve)
    pool = world.infrastructure(11_000, token0=words(world.token), token1=words(curve))
    world.give(pool, 50 * ETHER, world.block)
    keeper = world.used(nonce=90_000, coins=100)
    world.tx(keeper, curve, moves=[(curve, pool, world.held(curve))])
    world.pool = pool
    shared_funder(world, exchange, 12)
    buyers(world, exchange, 60 * scale)


@scenario()
def vesting(world: World, scale: int) -> None:
    """Let a vesting contract pay investors, released by each of them or by the deployer."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    contract = world.infrastructure(7_000, token=words(world.token))
    world.send(world.deployer, contract, SUPPLY // 10)
    investors = [stranger(world, exchange) for _ in range(40)]
    for each, amount in shares(world, investors[:20], 3):
        world.wait(world.random.randint(10, 200))
        world.tx(each, contract, data="0x86d1a69f", moves=[(contract, each, amount)])
    world.wait(500)
    moves = [(contract, each, amount) for each, amount in shares(world, investors[20:], 3)]
    world.tx(world.deployer, contract, data="0x5e3a4f8b", moves=moves)


@scenario()
def paid_promoters(world: World, scale: int) -> None:
    """Let the deployer pay the team, and promoters who have used their wallets for long."""
    exchange = start(world)
    team = world.wallets(14, world.owners[world.deployer])
    funded_by_exchange(world, exchange, team)
    paid = shares(world, team) + shares(world, [world.used() for _ in range(12)], 3)
    world.random.shuffle(paid)
    for each, amount in paid:
        world.wait(world.random.randint(1, 200))
        world.send(world.deployer, each, amount)
    world.require([world.deployer, *team])
    buyers(world, exchange, 120 * scale)
