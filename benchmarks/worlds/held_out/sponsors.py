"""Define scenarios of payers that serve many people, which are held out while tuning."""

from benchmarks.worlds.crowd import buyers, service, start
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import mixer, ordinary, paid_by_mixer, shared_funder, team_of
from benchmarks.worlds.world import World


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
