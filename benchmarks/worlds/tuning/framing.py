"""Define scenarios in which an attacker makes strangers look like one owner, open while tuning."""

from benchmarks.worlds.chain import UNIT
from benchmarks.worlds.codes import USER_OPERATION, word
from benchmarks.worlds.crowd import disperser, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder
from benchmarks.worlds.world import World


@scenario()
def framing_by_a_bundle(world: World, scale: int) -> None:
    """Buy a little for strangers in one transaction, before they buy for themselves."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    attacker = world.used(nonce=60, coins=50)
    contract = disperser(world)
    victims = [stranger(world, exchange) for _ in range(30)]
    for first in range(0, 30, 6):
        world.wait(5)
        framed = victims[first : first + 6]
        world.buy_together(attacker, [(each, 20_000 * UNIT) for each in framed], contract)
    for each in victims:
        world.wait(world.random.randint(10, 200))
        world.buy(each, world.amount(150_000, 2_000_000))


@scenario()
def framing_by_a_multisender(world: World, scale: int) -> None:
    """Pay a little to strangers through a contract, before they buy for themselves."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    attacker = world.used(nonce=60, coins=50)
    world.buy(attacker, 2_000_000 * UNIT)
    contract = disperser(world)
    victims = [stranger(world, exchange) for _ in range(30)]
    for first in range(0, 30, 10):
        world.wait(5)
        framed = victims[first : first + 10]
        world.send_through(contract, attacker, [(each, 30_000 * UNIT) for each in framed])
    for each in victims:
        world.wait(world.random.randint(10, 200))
        world.buy(each, world.amount(150_000, 2_000_000))


@scenario()
def forged_operations(world: World, scale: int) -> None:
    """Let a drainer log operations in its victims' names, from its own contract."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    thief = world.used(nonce=80)
    house = world.wallet(world.owners[thief])
    contract = disperser(world)
    for _ in range(20):
        victim = stranger(world, exchange)
        world.wait(world.random.randint(5, 100))
        world.buy(victim, world.amount())
        world.wait(world.random.randint(5, 100))
        topics = (USER_OPERATION, "0x" + "11" * 32, "0x" + word(victim), "0x" + word(0))
        log = (contract, topics, "0x" + word(1) * 4)
        moves = [(victim, house, world.held(victim) * 9 // 10)]
        world.tx(thief, contract, data="0x" + word(victim), moves=moves, logs=(log,))
