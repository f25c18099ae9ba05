"""Define scenarios of payers that serve many people, which are held out while tuning."""

from benchmarks.worlds.chain import UNIT
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import mixer, ordinary, paid_by_mixer, shared_funder, team_of
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def hot_wallets_rotated_daily(world: World, scale: int) -> None:
    """Let an unlabelled exchange pay out from a new hot wallet each day, some in one batch."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    cold = service(world, nonce=5_000)
    contract = disperser(world)
    for _ in range(6):
        hot = world.wallet(cold.owner)
        cold.withdraw(hot, 400)
        customers = [world.wallet() for _ in range(world.random.randint(6, 14))]
        batch = customers[:4] if world.random.random() < 0.5 else []
        for each in customers[len(batch) :]:
            world.wait(world.random.randint(50, 500))
            world.act_elsewhere(hot, world.random.randint(8, 60))
            world.pay(hot, each, world.random.uniform(0.1, 2))
        if batch:
            world.act_elsewhere(hot, world.random.randint(8, 60))
            world.pay_through(contract, hot, [(each, 0.4) for each in batch])
        for each in customers:
            world.wait(world.random.randint(5, 200))
            world.buy(each, world.amount())


@scenario()
def sponsor_of_app_wallets(world: World, scale: int) -> None:
    """Let the host of an app's wallets give new users coins for fees; some buy the token."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    sponsor = world.used(coins=40, nonce=world.random.randint(150, 350), days=120)
    for _ in range(30):
        user = world.wallet()
        world.wait(world.random.randint(20, 300))
        world.act_elsewhere(sponsor, world.random.randint(3, 20))
        world.pay(sponsor, user, 0.002)
        if world.random.random() < 0.5:
            world.wait(world.random.randint(20, 300))
            exchange.withdraw(user, 0.3)
            world.wait(world.random.randint(20, 300))
            world.buy(user, world.amount())
        else:
            world.wait(world.random.randint(20, 300))
            world.buy(user, world.amount(20_000, 90_000), ether=0.001)


@scenario()
def station_that_pays_in_batches(world: World, scale: int) -> None:
    """Let the operator of a gas station pay eight users at a time; three of them buy."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    operator = world.used(coins=80, nonce=world.random.randint(200, 500), days=300)
    station = disperser(world)
    for _ in range(12):
        world.wait(world.random.randint(100, 900))
        world.act_elsewhere(operator, world.random.randint(4, 15))
        users = [world.wallet() for _ in range(8)]
        world.pay_through(station, operator, [(each, 0.06) for each in users])
        for each in users[:3]:
            world.wait(world.random.randint(5, 100))
            world.buy(each, world.amount())


@scenario()
def payouts_from_single_use_addresses(world: World, scale: int) -> None:
    """Let an instant exchange pay each customer from an address that is used once or twice."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    instant = service(world, nonce=50_000)
    for _ in range(40):
        once, customer = world.wallet(instant.owner), world.wallet()
        world.wait(world.random.randint(10, 200))
        instant.withdraw(once, world.random.uniform(0.2, 2))
        world.wait(world.random.randint(1, 30))
        world.sweep(once, customer)
        world.wait(world.random.randint(10, 200))
        world.buy(customer, world.amount())


@scenario()
def team_paid_by_a_privacy_pool(world: World, scale: int) -> None:
    """Let a mixer pay a team and strangers; each of the team pays two further wallets."""
    exchange = start(world)
    heads = team_of(world, 8)
    strangers = [world.wallet() for _ in range(20)]
    paid = heads + strangers
    world.random.shuffle(paid)
    paid_by_mixer(world, mixer(world), paid)
    for head in heads:
        hands = world.wallets(2, world.owners[head])
        for each in hands:
            world.wait(world.random.randint(1, 60))
            world.pay(head, each, 0.2)
        for each in (head, *hands):
            world.wait(world.random.randint(5, 400))
            world.buy(each, world.amount())
        world.require([head, *hands])
    for each in strangers:
        world.wait(world.random.randint(5, 200))
        world.buy(each, world.amount())
    buyers(world, exchange, 100 * scale)


@scenario()
def contributors_paid_by_a_multisig(world: World, scale: int) -> None:
    """Let a Safe with five owners pay contributors monthly, several in one transaction."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    owners = [stranger(world, exchange) for _ in range(5)]
    safe = world.safe(owners, world.person(), threshold=3)
    world.send(world.deployer, safe, SUPPLY // 20)
    world.uncertain.append(frozenset([world.deployer, safe]))  # who fills a treasury may own it
    contributors = [stranger(world, exchange) for _ in range(24)]
    for first in range(0, 24, 8):
        world.wait(world.random.randint(300, 3_000))
        paid = shares(world, contributors[first : first + 8], 0.5)
        world.execute(safe, world.random.choice(owners), [(safe, *each) for each in paid])
    for each in owners:
        world.wait(200)
        world.execute(safe, owners[0], [(safe, each, 40_000 * UNIT)])
