"""Define scenarios of payers that serve many people, which may be looked at while tuning."""

from benchmarks.worlds.chain import ETHER, UNIT
from benchmarks.worlds.codes import word
from benchmarks.worlds.crowd import disperser, service, shares, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder
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


@scenario()
def sales_through_an_escrow(world: World, scale: int) -> None:
    """Let holders sell to new wallets through a contract: accepted offers, and escrow."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    market = world.infrastructure(7_000)
    for number in range(24):
        seller, buyer = stranger(world, exchange), world.wallet()
        world.wait(world.random.randint(20, 200))
        world.buy(seller, world.amount())
        exchange.withdraw(buyer, world.random.uniform(0.3, 2))
        sold = world.held(seller) * world.random.randint(20, 95) // 100
        world.wait(world.random.randint(20, 200))
        if number % 2:
            world.tx(seller, market, data="0x" + word(buyer), moves=[(seller, buyer, sold)])
        else:
            world.tx(seller, market, data="0x" + word(sold), moves=[(seller, market, sold)])
            world.wait(world.random.randint(5, 50))
            world.tx(buyer, market, value=ETHER // 8, moves=[(market, buyer, sold)])
        if world.random.random() < 0.5:
            world.wait(world.random.randint(20, 200))
            world.sell(buyer, world.held(buyer) // 3)
