"""Define scenarios of payments that are no collection, which may be looked at while tuning."""

from benchmarks.worlds.chain import UNIT
from benchmarks.worlds.crowd import stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder, star
from benchmarks.worlds.world import World


@scenario()
def tips_to_another_team(world: World, scale: int) -> None:
    """Let each wallet of one group pay a little to the head of another group, and nothing else."""
    exchange = ordinary(world, scale)
    head = star(world, exchange, 10)[0]
    group = shared_funder(world, exchange, 9)
    for each in group:
        world.wait(world.random.randint(20, 200))
        world.send(each, head, world.held(each) * world.random.randint(2, 12) // 100)
    alone = star(world, exchange, 6)
    world.send(alone[2], group[0], 3_000 * UNIT)


@scenario()
def native_purchases_from_one_seller(world: World, scale: int) -> None:
    """Let strangers spend their last coins with the same seller of collectibles."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    seller = world.used(nonce=180, days=400)
    for _ in range(20):
        each = stranger(world, exchange)
        world.wait(world.random.randint(20, 200))
        world.buy(each, world.amount())
        world.wait(world.random.randint(20, 200))
        world.sweep(each, seller)
