"""Define scenarios of payments that are no collection, which are held out while tuning."""

from benchmarks.worlds.crowd import buyers
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder, sink
from benchmarks.worlds.world import World


@scenario()
def members_of_a_club(world: World, scale: int) -> None:
    """Let wallets of several groups and strangers pay a third of their tokens to one account."""
    exchange = ordinary(world, scale)
    treasurer = world.used(nonce=world.random.randint(60, 300), days=300)
    paying = shared_funder(world, exchange, 8) + sink(world, exchange, 5)[:1]
    paying += [each for each in buyers(world, exchange, 15, days=1) if world.held(each)]
    world.random.shuffle(paying)
    for each in paying:
        world.wait(world.random.randint(10, 200))
        world.send(each, treasurer, world.held(each) * world.random.randint(20, 45) // 100)


@scenario()
def last_coins_to_a_charity(world: World, scale: int) -> None:
    """Let new wallets of strangers sell half, and give their last coins to the same account."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    charity = world.used(nonce=world.random.randint(100, 500), days=600)
    for each in [world.wallet() for _ in range(14)]:
        world.wait(world.random.randint(10, 400))
        exchange.withdraw(each, world.random.uniform(0.1, 0.6))
        world.wait(world.random.randint(10, 400))
        world.buy(each, world.amount())
        world.wait(world.random.randint(10, 400))
        world.sell(each, world.held(each) // 2)
        world.sweep(each, charity)
