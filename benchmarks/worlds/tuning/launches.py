"""Define scenarios of what happens at launches, which may be looked at while tuning."""

from benchmarks.worlds.chain import UNIT
from benchmarks.worlds.crowd import buyers, start
from benchmarks.worlds.people import INFRASTRUCTURE
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import (
    bought_apart,
    funded_by_exchange,
    ordinary,
    shared_funder,
    team_of,
)
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def many_small_groups(world: World, scale: int) -> None:
    """Hide groups among the smallest of more than a thousand holders."""
    exchange = start(world)
    for _ in range(12):
        shared_funder(world, exchange, world.random.randint(4, 10), tokens=(2_000, 9_000))
    buyers(world, exchange, 1_100 * scale)


@scenario()
def burned_supply(world: World, scale: int) -> None:
    """Let the deployer and holders send tokens to addresses that no one has a key for."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    burns = ["0x" + "00" * 19 + "01", "0xdead" + "00" * 16 + "4206", "0x" + "11" * 20]
    world.owners.update(dict.fromkeys(burns, INFRASTRUCTURE))
    for each in burns:
        world.wait(50)
        world.send(world.deployer, each, SUPPLY // 20)
    for number, each in enumerate(buyers(world, exchange, 45, days=2)):
        if world.held(each):
            world.wait(world.random.randint(5, 100))
            world.send(each, burns[number % 3], world.held(each) * 6 // 10)


@scenario(recall=None)
def equal_purchases(world: World, scale: int) -> None:
    """Let a team that an exchange pays buy equal amounts days after the launch."""
    exchange = ordinary(world, scale)
    team = team_of(world, 12)
    funded_by_exchange(world, exchange, team)
    world.suspects.update(team)
    for each in team:
        world.wait(world.random.randint(20, 500))
        world.buy(each, 1_250_000 * UNIT)
    buyers(world, exchange, 100 * scale)


@scenario()
def profits_collected_in_native_coins(world: World, scale: int) -> None:
    """Let the largest holders sell, and send all their coins to one new address."""
    exchange = start(world)
    team = team_of(world, 12)
    funded_by_exchange(world, exchange, team)
    bought_apart(world, team)
    buyers(world, exchange, 120 * scale)
    target = world.wallet(world.owners[world.deployer])
    for member in team:
        world.wait(world.random.randint(5, 100))
        world.sell(member, world.held(member) // 4)
        world.wait(world.random.randint(5, 100))
        world.sweep(member, target)
    world.require(team)
