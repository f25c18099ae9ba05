"""Mix all kinds of people into one launch."""

from benchmarks.worlds.chain import ETHER, UNIT
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.teams import TEAM, mixer, paid_by_mixer, shared_funder, sink, star, team_of
from benchmarks.worlds.world import SUPPLY, World


def launch_with_bundle(world: World) -> None:
    """Launch with a bundle through go-betweens, and one that a mixer paid."""
    exchange = start(world, pool=False, coins=80)
    team, bought = team_of(world), team_of(world, TEAM // 2)
    for member in team:
        between = world.wallet(world.owners[world.deployer])
        world.wait(world.random.randint(1, 60))
        world.pay(world.deployer, between, 1.01)
        world.wait(world.random.randint(1, 60))
        world.sweep(between, member)
    paid_by_mixer(world, mixer(world), bought)
    snipers = [stranger(world, exchange) for _ in range(8)]
    world.open_pool(SUPPLY * 7 // 10)
    world.buy_together(world.deployer, shares(world, bought, 4), disperser(world))
    for wallet, amount in shares(world, team, 5) + shares(world, snipers, 2):
        world.buy(wallet, amount)
    world.require([world.deployer, *team, *bought])


def crowd_of_all_kinds(world: World, scale: int) -> None:
    """Add unlabelled services, groups with one owner, thieves and people who pay each other."""
    exchange = service(world, 2, label="Another exchange")
    unknown = [service(world, nonce=5_000) for _ in range(4)]
    for each in unknown:
        world.send(world.deployer, each.hot[0], SUPPLY // 1_000)
    for _ in range(3 * scale):
        star(world, exchange, world.random.randint(3, 10))
        shared_funder(world, exchange, world.random.randint(3, 10))
        sink(world, exchange, world.random.randint(3, 10))
    for each in unknown:
        for customer in buyers(world, each, 60 * scale, days=3)[::4]:
            if world.held(customer):
                each.deposit(customer, world.held(customer) // 2)
    holders = [each for each in buyers(world, exchange, 120 * scale) if world.held(each)]
    thief = world.used(nonce=90)
    for victim in holders[:15]:
        moves = [(victim, thief, world.held(victim) // 2)]
        world.tx(thief, world.token, data="0x23b872dd", moves=moves)
    for giver in holders[20:45]:
        world.wait(world.random.randint(1, 100))
        world.send(giver, world.used(), world.held(giver) // 10)
    crowd = [stranger(world, exchange) for _ in range(100 * scale)]
    world.send_through(disperser(world), world.deployer, [(each, 2_000 * UNIT) for each in crowd])
    duster = world.used(nonce=25, coins=20)
    for cold in [world.wallet() for _ in range(20)]:
        unknown[0].withdraw_tokens(cold, 9_000 * UNIT)
        world.tx(duster, cold, value=1)
    world.pay(duster, holders[0], 10**15 / ETHER)
