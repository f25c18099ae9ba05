"""Define scenarios of unusual launches that are held out while tuning."""

from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import funded_by_exchange, shared_funder
from benchmarks.worlds.world import World


@scenario()
def made_by_a_factory(world: World, scale: int) -> None:
    """Let a factory create the token in a transaction of its owner, which pays the team too."""
    exchange = service(world, 3, label="An exchange")
    owner = world.wallet()
    exchange.withdraw(owner, 40)
    world.wait(300)
    team = world.wallets(16, world.owners[owner])
    funded_by_exchange(world, exchange, team)
    world.deploy(owner, shares(world, team, 12), factory=world.infrastructure(12_000))
    world.wait(3)
    world.open_pool()
    world.require([owner, *team])
    buyers(world, exchange, 120 * scale)


@scenario()
def migration(world: World, scale: int) -> None:
    """Let the deployer pay the holders of an older token in batches; most have old wallets."""
    exchange = start(world)
    people = [world.used() for _ in range(33)] + [stranger(world, exchange) for _ in range(12)]
    world.random.shuffle(people)
    contract = disperser(world)
    for first in range(0, len(people), 15):
        world.wait(2)
        world.send_through(contract, world.deployer, shares(world, people[first : first + 15], 3))
    shared_funder(world, exchange, 12)
    buyers(world, exchange, 120 * scale)
