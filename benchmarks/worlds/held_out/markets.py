"""Define scenarios of markets for the token that are held out while tuning."""

from benchmarks.worlds.chain import ETHER, UNIT
from benchmarks.worlds.codes import word, words
from benchmarks.worlds.crowd import buyers, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder, team_of
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def limit_orders(world: World, scale: int) -> None:
    """Let a keeper without a long history execute the limit orders of strangers, some at once."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    keeper = world.used(coins=60, nonce=world.random.randint(100, 400), days=90)
    orders = world.infrastructure(10_000)
    for _ in range(25):
        world.wait(world.random.randint(50, 400))
        traders = [stranger(world, exchange) for _ in range(world.random.randint(1, 4))]
        moves = [(world.pool, each, world.amount()) for each in traders]
        world.tx(keeper, orders, data="0x7c0252ac", moves=moves)


@scenario()
def two_pools(world: World, scale: int) -> None:
    """Trade in two pools, with people who provide liquidity and a bot between the two."""
    exchange = start(world, coins=60)
    first = world.pool
    world.open_pool(SUPPLY // 20, ether=4)
    second, world.pool = world.pool, first
    team = shared_funder(world, exchange, 10)
    for each in [stranger(world, exchange) for _ in range(60 * scale)]:
        world.wait(world.random.randint(5, 100))
        world.pool = world.random.choice((first, second))
        world.buy(each, world.amount(50_000, 600_000))
        if world.random.random() < 0.2:
            moves = [(each, second, world.held(each) // 3)]
            world.tx(each, second, value=ETHER // 100, data="0xe8e33700", moves=moves)
    bot = world.used(coins=50, nonce=30_000)
    for _ in range(30):
        world.wait(world.random.randint(5, 100))
        amount = world.amount(1_000, 20_000)
        world.tx(bot, second, data="0x" + word(bot), moves=[(first, second, amount)])
    world.pool = second
    exchange.withdraw(team[0], 1)
    more = world.wallets(6, world.owners[team[0]])
    for each in more:
        world.wait(world.random.randint(5, 60))
        world.pay(team[0], each, 0.01)
        world.buy(each, world.amount(50_000, 300_000), ether=0.005)
    world.require([*team, *more])
    world.pool = first
    buyers(world, exchange, 80 * scale)


@scenario()
def wash_trading_ring(world: World, scale: int) -> None:
    """Let a ring hand the same tokens on from wallet to wallet, and trade with the pool."""
    exchange = ordinary(world, scale)
    head = world.wallet()
    exchange.withdraw(head, 8)
    ring = world.wallets(14, world.owners[head])
    for each in ring:
        world.wait(world.random.randint(1, 40))
        world.pay(head, each, 0.3)
    world.buy(head, world.amount(5_000_000, 7_000_000))
    at = head
    for _ in range(3):
        for each in ring:
            world.wait(world.random.randint(1, 30))
            world.send(at, each, world.held(at) * 9 // 10)
            at = each
    for each in ring:
        world.wait(world.random.randint(1, 60))
        world.buy(each, world.amount(20_000, 200_000))
    world.require([head, *ring])
    buyers(world, exchange, 80 * scale)


@scenario()
def copycats_of_one_bot(world: World, scale: int) -> None:
    """Let users of a trading bot buy what a leader buys, at once, from wallets made for them."""
    exchange = ordinary(world, scale)
    bot = world.infrastructure(8_000)
    fees = world.used(coins=20, nonce=40)
    leader = shared_funder(world, exchange, 10)
    users = []
    for _ in range(40):
        user = world.used(coins=3)
        wallet = world.wallet(world.owners[user])
        world.wait(world.random.randint(1, 200))
        world.pay(user, wallet, world.random.uniform(0.1, 0.5))
        users.append(wallet)
    for each in leader:
        world.wait(world.random.randint(20, 200))
        for buyer in (each, *world.random.sample(users, 12)):
            amount = world.amount(20_000, 300_000)
            moves = [(world.pool, buyer, amount), (world.pool, fees, amount // 100)]
            world.tx(buyer, bot, value=ETHER // 1_000, data="0xa1b2c3d4", moves=moves)
    for each in users[::3]:
        if world.held(each):
            world.wait(world.random.randint(5, 60))
            world.sell(each, world.held(each) // 2)


@scenario()
def escrow_of_a_launchpad(world: World, scale: int) -> None:
    """Let a launchpad's escrow pay contributors: claimed, or five at once by a new keeper."""
    exchange = start(world)
    escrow = world.infrastructure(6_000, token=words(world.token), owner=words(world.deployer))
    world.send(world.deployer, escrow, SUPPLY // 8)
    keeper = world.wallet()
    exchange.withdraw(keeper, 1)
    people = [stranger(world, exchange) for _ in range(50 * scale)]
    for each in people:
        world.wait(world.random.randint(2, 40))
        world.tx(each, escrow, value=ETHER // 20, data="0xd0e30db0")
    claimed, paid = people[: len(people) // 2], people[len(people) // 2 :]
    for each, amount in shares(world, claimed, 3):
        world.wait(world.random.randint(2, 90))
        world.tx(each, escrow, data="0x4e71d92d", moves=[(escrow, each, amount)])
    for number in range(0, len(paid), 5):
        world.wait(world.random.randint(2, 90))
        moves = [(escrow, *each) for each in shares(world, paid[number : number + 5], 0.5)]
        world.tx(keeper, escrow, data="0xdb2e21bc", moves=moves)
    rest = world.held(escrow)
    world.tx(world.deployer, escrow, data="0x3ccfd60b", moves=[(escrow, world.deployer, rest)])
    shared_funder(world, exchange, 12)
    buyers(world, exchange, 60 * scale)


@scenario()
def market_maker_with_vaults(world: World, scale: int) -> None:
    """Let a market maker keep a loan in vault contracts, and trade from wallets that it fills."""
    exchange = start(world, coins=60)
    treasury = world.wallet()
    exchange.withdraw(treasury, 20)
    traders = world.wallets(9, world.owners[treasury])
    vaults = [world.infrastructure(5_000, owner=words(treasury)) for _ in range(3)]
    for each in vaults:
        world.wait(20)
        world.send(world.deployer, each, SUPPLY // 60)
    for number, each in enumerate(traders):
        world.wait(world.random.randint(5, 60))
        world.pay(treasury, each, 0.3)
        moves = [(vaults[number % 3], each, world.amount(200_000, 700_000))]
        world.tx(treasury, vaults[number % 3], data="0x2e1a7d4d", moves=moves)
    for _ in range(120):
        world.wait(world.random.randint(1, 60))
        each = world.random.choice(traders)
        if world.random.random() < 0.5:
            world.buy(each, world.amount(1_000, 9_000), ether=0.001)
        else:
            moves = [(each, world.random.choice(vaults), world.held(each) // 10)]
            world.tx(each, world.token, data="0xa9059cbb", moves=moves)
    world.require(traders)
    team = team_of(world, 6)
    world.uncertain.append(frozenset([world.deployer, treasury, *traders]))
    for each in team:
        world.wait(30)
        world.send(world.deployer, each, 500_000 * UNIT)
    buyers(world, exchange, 100 * scale)
