"""Define scenarios of false tracks that may be looked at while tuning."""

from benchmarks.worlds.chain import ETHER, UNIT
from benchmarks.worlds.codes import word
from benchmarks.worlds.crowd import buyers, stranger
from benchmarks.worlds.people import ROUTER
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def spoofed_senders(world: World, scale: int) -> None:
    """Let the token log that famous wallets pay the team, in the deployer's transactions."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    famous = [world.used(nonce=count, coins=500) for count in (300, 700, 1_500, 40)]
    team = world.wallets(16, world.owners[world.deployer])
    for number, each in enumerate(team):
        source = famous[number % 4]
        amount = world.amount()
        world.tokens[source].add(world.block, 2 * amount)
        world.wait(world.random.randint(5, 100))
        data = "0x" + word(source) + word(each)
        world.tx(world.deployer, world.token, data=data, moves=[(source, each, amount)])


@scenario()
def honeypot_tax(world: World, scale: int) -> None:
    """Let a sale pay nearly everything to the deployer's tax wallet, in the seller's name."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    tax = world.wallet(world.owners[world.deployer])
    for victim in [stranger(world, exchange) for _ in range(45)]:
        world.wait(world.random.randint(5, 200))
        world.buy(victim, world.amount())
        world.wait(world.random.randint(5, 200))
        sold = world.held(victim) * world.random.randint(50, 95) // 100
        moves = [(victim, tax, sold * 95 // 100), (victim, world.pool, sold - sold * 95 // 100)]
        world.tx(victim, ROUTER, data="0x791ac947" + word(sold), moves=moves)


@scenario()
def relayed_sales(world: World, scale: int) -> None:
    """Let a relayer sell for strangers who signed a permit, without coins of their own."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    relayer = world.used(coins=100, nonce=25_000, days=400)
    forwarder = world.infrastructure(5_000)
    for victim in buyers(world, exchange, 40, days=2):
        held = world.held(victim)
        if held:
            world.wait(world.random.randint(5, 100))
            sold = held * world.random.randint(20, 95) // 100
            fee = sold // 50
            moves = [
                (victim, forwarder, sold),
                (forwarder, relayer, fee),
                (forwarder, world.pool, sold - fee),
            ]
            world.tx(relayer, forwarder, data="0x" + word(victim), moves=moves)


@scenario()
def drained_native_coins_fund_a_thief(world: World, scale: int) -> None:
    """Let a thief take victims' coins by their own keys and fund new wallets with them."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    thief = world.wallet()
    victims = [stranger(world, exchange) for _ in range(15)]
    for victim in victims:
        world.wait(world.random.randint(5, 100))
        world.buy(victim, world.amount())
        world.tx(victim, thief, value=ETHER // 25)
    world.wait(50)
    loot = world.wallets(6, world.owners[thief])
    for each in loot:
        world.pay(thief, each, 0.01)
        world.wait(5)
    bought = world.amount(2_000_000, 3_000_000)
    world.buy(thief, bought, ether=0.03)
    for each in loot:
        world.send(thief, each, bought // 10)
    world.uncertain.append(frozenset([victims[0], thief, *loot]))


@scenario()
def a_dust_of_tokens_to_new_wallets(world: World, scale: int) -> None:
    """Send a little of the token to wallets that later buy it for the first time."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    attacker = world.used(nonce=60, coins=50)
    world.buy(attacker, 3_000_000 * UNIT)
    targets = [stranger(world, exchange) for _ in range(40)]
    for each in targets:
        world.wait(2)
        world.send(attacker, each, 30_000 * UNIT)
    for each in targets:
        world.wait(world.random.randint(10, 200))
        world.buy(each, world.amount(200_000, 2_000_000))


@scenario()
def coins_for_fees_to_cold_wallets(world: World, scale: int) -> None:
    """Send coins for fees to pairs of wallets that hold tokens, before their owners use them."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    world.send(world.deployer, exchange.hot[0], SUPPLY // 10)
    cold = [world.wallet() for _ in range(40)]
    for each in cold:
        world.wait(world.random.randint(1, 100))
        exchange.withdraw_tokens(each, world.amount())
    for first in range(0, len(cold), 2):
        attacker = world.used(nonce=world.random.randint(2, 40))
        for each in cold[first : first + 2]:
            world.wait(5)
            world.pay(attacker, each, world.random.uniform(0.0005, 0.002))
    for each in cold[:30]:
        world.wait(world.random.randint(10, 300))
        exchange.withdraw(each, 0.2)
        world.wait(world.random.randint(10, 300))
        world.sell(each, world.held(each) // 3)
