"""Let a team fund its wallets, buy, and collect, in the ways that launches show."""

from benchmarks.worlds.chain import DAY, ETHER
from benchmarks.worlds.crowd import Service, buyers, shares, start
from benchmarks.worlds.world import World

TEAM = 20


def team_of(world: World, count: int = TEAM) -> list[str]:
    """Return wallets of the deployer's owner that have never been used."""
    return world.wallets(count, world.owners[world.deployer])


def funded_by_exchange(world: World, exchange: Service, wallets: list[str]) -> None:
    """Let an exchange pay the wallets, hours apart."""
    for wallet in wallets:
        world.wait(world.random.randint(5, 300))
        exchange.withdraw(wallet, world.random.uniform(0.3, 2))


def bought_apart(world: World, wallets: list[str], days: float = 2) -> None:
    """Let wallets buy one after the other, at random times."""
    gap = max(2, int(days * DAY / len(wallets)))
    for wallet, amount in shares(world, wallets):
        world.wait(world.random.randint(1, 2 * gap))
        world.buy(wallet, amount)


def collected(world: World, wallets: list[str], collector: str, percent: int = 92) -> None:
    """Let wallets send most of what they hold to one of their owner's."""
    for wallet in wallets:
        world.wait(world.random.randint(20, 400))
        world.send(wallet, collector, world.held(wallet) * percent // 100)


def star(world: World, exchange: Service, count: int) -> list[str]:
    """Let a buyer spread tokens over new wallets, which it gives coins for fees."""
    centre = world.wallet()
    exchange.withdraw(centre, 3)
    world.wait(20)
    world.buy(centre, world.amount(4_000_000, 6_000_000))
    rays = world.wallets(count, world.owners[centre])
    for ray in rays:
        world.wait(world.random.randint(1, 50))
        world.pay(centre, ray, 0.01)
        world.send(centre, ray, world.amount(50_000, 200_000))
    world.require([centre, *rays])
    return [centre, *rays]


def shared_funder(
    world: World, exchange: Service, count: int, *, tokens: tuple[int, int] = (100_000, 900_000)
) -> list[str]:
    """Let one wallet pay new wallets, which buy for themselves."""
    funder = world.wallet()
    exchange.withdraw(funder, 2 + count / 5)
    members = world.wallets(count, world.owners[funder])
    for member in members:
        world.wait(world.random.randint(1, 20))
        world.pay(funder, member, world.random.uniform(0.08, 0.15))
    for member in members:
        world.wait(world.random.randint(1, 200))
        world.buy(member, world.amount(*tokens))
    world.require(members)
    return members


def sink(world: World, exchange: Service, count: int) -> list[str]:
    """Let wallets without a common payer buy, and send it all to one of them."""
    owner = world.person()
    members = world.wallets(count, owner)
    funded_by_exchange(world, exchange, members)
    for member in members:
        world.wait(world.random.randint(1, 100))
        world.buy(member, world.amount(300_000, 900_000))
    collected(world, members[1:], members[0], 95)
    world.require(members)
    return members


def mixer(world: World) -> Service:
    """Return a mixer: a contract that pays, called by a relayer for its users."""
    relayer = world.used(coins=500, nonce=80_000, days=900)
    contract = world.infrastructure(4_000)
    world.give(contract, 50_000 * ETHER)
    return Service(world, [contract, relayer], world.owners[relayer])


def paid_by_mixer(world: World, mixing: Service, wallets: list[str]) -> None:
    """Let a relayer withdraw from the mixer to each wallet."""
    contract, relayer = mixing.hot
    for wallet in wallets:
        world.wait(world.random.randint(5, 200))
        data = "0x21a0adb6" + wallet[2:].rjust(64, "0")
        world.tx(relayer, contract, data=data, internal=[(contract, wallet, ETHER)])


def ordinary(world: World, scale: int, count: int = 150, *, coins: float = 60) -> Service:
    """Begin a launch and return its exchange; unrelated people have bought already."""
    exchange = start(world, coins=coins)
    buyers(world, exchange, count * scale // 2, days=1)
    return exchange
