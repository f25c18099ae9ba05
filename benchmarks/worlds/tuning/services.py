"""Define scenarios of services that no one has labelled, which may be looked at while tuning."""

from benchmarks.worlds.chain import DAY, START, UNIT
from benchmarks.worlds.crowd import buyers, service, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder, star
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def payroll(world: World, scale: int) -> None:
    """Let a company give thirty employees their first coins, over two years."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    company = world.used(coins=300, nonce=450, days=1_000)
    staff = [
        world.used(funder=company, coins=1, days=world.random.uniform(40, 800), nonce=count)
        for count in [world.random.randint(25, 400) for _ in range(30)]
    ]
    for each in staff:
        world.wait(world.random.randint(50, 600))
        world.buy(each, world.amount())


@scenario()
def faucet(world: World, scale: int) -> None:
    """Let a faucet give forty new wallets coins for fees; an exchange pays for what they buy."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    gives = service(world, nonce=20_000)
    for _ in range(40):
        each = world.wallet()
        world.wait(world.random.randint(10, 300))
        gives.withdraw(each, 0.004)
        world.wait(world.random.randint(10, 300))
        exchange.withdraw(each, world.random.uniform(0.2, 1))
        world.wait(world.random.randint(10, 300))
        world.buy(each, world.amount())


@scenario()
def bridge_arrivals(world: World, scale: int) -> None:
    """Let an unlabelled relayer of a bridge pay strangers, and the team among them."""
    exchange = ordinary(world, scale)
    relayer = service(world, 2, nonce=400_000)
    team = world.wallets(10, world.owners[world.deployer])
    arriving = team + [world.wallet() for _ in range(50)]
    world.random.shuffle(arriving)
    for each in arriving:
        world.wait(world.random.randint(1, 120))
        relayer.withdraw(each, world.random.uniform(0.1, 2))
        world.wait(world.random.randint(1, 60))
        world.buy(each, world.amount())
    shared_funder(world, exchange, 12)


@scenario()
def withdrawals_in_the_same_minute(world: World, scale: int) -> None:
    """Let an exchange pay the team and strangers within a minute; they buy within another."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    unknown = service(world)
    for pays in (exchange, unknown):
        group = world.wallets(10, world.owners[world.deployer])
        group += [world.wallet() for _ in range(10)]
        world.random.shuffle(group)
        for number, each in enumerate(group):
            pays.withdraw(each, 0.5)
            world.wait(number % 4 == 3)
        world.wait(50)
        for number, each in enumerate(group):
            world.buy(each, world.amount())
            world.wait(number % 4 == 3)


@scenario()
def market_maker(world: World, scale: int) -> None:
    """Let a market maker borrow from the deployer and trade from wallets of its own."""
    exchange = start(world)
    treasury = world.wallet()
    exchange.withdraw(treasury, 20)
    world.wait(100)
    world.send(world.deployer, treasury, SUPPLY // 20)
    makers = world.wallets(25, world.owners[treasury])
    for each in makers:
        world.wait(world.random.randint(1, 30))
        world.pay(treasury, each, 0.3)
        world.send(treasury, each, world.amount(500_000, 1_200_000))
    for _ in range(200):
        each = world.random.choice(makers)
        world.wait(world.random.randint(1, 60))
        if world.random.random() < 0.5:
            world.buy(each, world.amount(1_000, 9_000), ether=0.005)
        elif world.held(each) > 10**22:
            world.sell(each, world.held(each) // 20, ether=0.005)
    world.require([treasury, *makers])
    world.uncertain.append(frozenset([world.deployer, treasury, *makers]))
    buyers(world, exchange, 100 * scale)


@scenario()
def native_sweeps_to_a_bridge(world: World, scale: int) -> None:
    """Let strangers sell, and send all their coins to the unlabelled account of a bridge."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    maker = world.used(coins=5_000, nonce=700_000, days=START // DAY // 4)
    for _ in range(35):
        each = stranger(world, exchange)
        world.wait(world.random.randint(10, 300))
        world.buy(each, world.amount())
        world.wait(world.random.randint(10, 300))
        world.sell(each, world.held(each) // 2)
        world.sweep(each, maker)


@scenario()
def two_groups_that_trade(world: World, scale: int) -> None:
    """Let two groups that one unlabelled exchange pays send each other a little."""
    unknown = service(world, 2)
    exchange = ordinary(world, scale)
    first, second = star(world, unknown, 12), star(world, unknown, 12)
    for one, other in zip(first[1:6], second[1:6], strict=True):
        world.wait(30)
        world.send(one, other, 2_000 * UNIT)
        world.pay(unknown.hot[0], one, 0.1)
    shared_funder(world, exchange, 10)


@scenario()
def trader_between_strangers(world: World, scale: int) -> None:
    """Let a trader with few transactions buy from thirty people, and sell to thirty new wallets."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    trader = world.used(coins=300, nonce=world.random.randint(60, 120), days=200)
    for _ in range(30):
        seller = stranger(world, exchange)
        world.wait(world.random.randint(20, 200))
        world.buy(seller, world.amount())
        world.wait(world.random.randint(20, 200))
        world.send(seller, trader, world.held(seller) * world.random.randint(10, 40) // 100)
    for _ in range(30):
        customer = world.wallet()
        exchange.withdraw(customer, 0.5)
        world.wait(world.random.randint(20, 200))
        world.send(trader, customer, world.held(trader) // 40)
        if world.random.random() < 0.4:
            world.sell(customer, world.held(customer) // 2)


@scenario()
def exchange_that_has_just_opened(world: World, scale: int) -> None:
    """Let a new exchange take deposits of strangers, and pay tokens to new wallets."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    unknown = service(world, nonce=200)
    for _ in range(14):
        customer = stranger(world, exchange)
        world.wait(world.random.randint(20, 200))
        world.buy(customer, world.amount())
        world.wait(world.random.randint(20, 200))
        unknown.deposit(customer, world.held(customer) * world.random.randint(40, 90) // 100)
    for _ in range(14):
        customer = world.wallet()
        exchange.withdraw(customer, 0.3)
        world.wait(world.random.randint(20, 200))
        unknown.withdraw_tokens(customer, world.amount(50_000, 300_000))
        world.sell(customer, world.held(customer) // 3)
