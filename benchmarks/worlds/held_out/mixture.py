"""Define the mixture that is held out while tuning."""

from benchmarks.worlds.chain import ETHER
from benchmarks.worlds.crowd import buyers, service, shares
from benchmarks.worlds.mixture import crowd_of_all_kinds
from benchmarks.worlds.people import ROUTER
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import funded_by_exchange, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def another_mixture(world: World, scale: int) -> None:
    """Mix a team paid at creation and by a Safe with strangers who share payers and bundlers."""
    exchange = service(world, 3, label="An exchange")
    deployer = world.wallet()
    exchange.withdraw(deployer, 60)
    world.wait(200)
    team = world.wallets(24, world.owners[deployer])
    funded_by_exchange(world, exchange, team)
    world.deploy(deployer, shares(world, team[:12], 6))
    world.wait(2)
    world.open_pool(SUPPLY * 7 // 10)
    owner = world.owners[deployer]
    safe = world.safe([deployer, world.wallet(owner)], owner)
    world.send(deployer, safe, SUPPLY // 10)
    for member, amount in shares(world, team[12:], 6):
        world.wait(world.random.randint(1, 60))
        world.execute(safe, deployer, [(safe, member, amount)])
    world.require([deployer, *team[:12]], [safe, *team[12:]])  # it pays a crowd as well
    _strangers_together(world, exchange.hot[0])
    crowd_of_all_kinds(world, scale)
    shared_funder(world, exchange, 9)
    buyers(world, exchange, 60 * scale)


def _strangers_together(world: World, exchange: str) -> None:
    """Let strangers share an employer, a bundler, a solver and a tax."""
    employer = world.used(coins=300, nonce=600, days=1_000)
    for _ in range(12):
        each = world.used(funder=employer, coins=1, days=world.random.uniform(30, 700))
        world.wait(world.random.randint(10, 200))
        world.buy(each, world.amount())
    bundler = world.used(coins=100, nonce=200_000, days=500)
    solver = world.used(coins=100, nonce=80_000, days=500)
    for _ in range(6):
        world.wait(world.random.randint(10, 200))
        accounts = [world.smart_account(world.person()) for _ in range(3)]
        moves = [[(world.pool, each, world.amount())] for each in accounts]
        world.operate(bundler, list(zip(accounts, moves, strict=True)))
        people = [world.used() for _ in range(3)]
        world.tx(solver, ROUTER, moves=[(world.pool, each, world.amount()) for each in people])
    for _ in range(10):
        fresh = world.wallet()
        world.tx(exchange, fresh, value=ETHER // 3)
        world.wait(world.random.randint(10, 200))
        world.buy(fresh, world.amount())
