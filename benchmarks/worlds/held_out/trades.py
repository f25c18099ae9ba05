"""Define scenarios of trades and false tracks that are held out while tuning."""

from benchmarks.worlds.chain import ETHER, UNIT
from benchmarks.worlds.codes import word
from benchmarks.worlds.crowd import buyers, shares, start, stranger
from benchmarks.worlds.people import ROUTER
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import ordinary, shared_funder
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def copied_purchases(world: World, scale: int) -> None:
    """Let strangers copy a team: the same amounts or the next ones, in the same blocks."""
    exchange = ordinary(world, scale)
    team = shared_funder(world, exchange, 15)
    copies = [stranger(world, exchange) for _ in range(45)]
    world.suspects.update(team)
    for number, member in enumerate(team):
        world.wait(world.random.randint(5, 100))
        amount = (400_000 + 1_000 * number) * UNIT
        world.buy(member, amount, ether=0.01)
        for step, copy in enumerate(copies[3 * number : 3 * number + 3]):
            world.buy(copy, amount + (step % 2) * UNIT)


@scenario()
def presale(world: World, scale: int) -> None:
    """Let a presale contract pay thirty-five contributors when the deployer ends the sale."""
    exchange = start(world)
    contract = world.infrastructure(6_000)
    people = [stranger(world, exchange) for _ in range(35)]
    for each in people:
        world.wait(world.random.randint(5, 100))
        world.tx(each, contract, value=ETHER // 20, data="0xd7bb99ba")
    world.send(world.deployer, contract, SUPPLY // 10)
    world.wait(200)
    moves = [(contract, each, amount) for each, amount in shares(world, people, 9)]
    world.tx(world.deployer, contract, data="0x4bb278f3", moves=moves)
    shared_funder(world, exchange, 12)
    buyers(world, exchange, 100 * scale)


@scenario()
def sandwiches(world: World, scale: int) -> None:
    """Let bots buy before and sell after other people's purchases, and keep a little."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    bots = []
    for _ in range(6):
        signer = world.used(coins=200, nonce=world.random.randint(800, 90_000))
        contract = world.infrastructure(4_000)
        world.owners[contract] = world.owners[signer]
        bots.append((signer, contract))
    for _ in range(60):
        world.wait(world.random.randint(10, 200))
        signer, contract = world.random.choice(bots)
        amount = world.amount()
        world.tx(signer, contract, moves=[(world.pool, contract, amount)])
        world.buy(stranger(world, exchange), world.amount())
        world.tx(signer, contract, moves=[(contract, world.pool, amount - UNIT)])


@scenario()
def tax_wallet(world: World, scale: int) -> None:
    """Let each trade and each transfer pay five percent to a wallet of the deployer."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    tax = world.wallet(world.owners[world.deployer])
    world.uncertain.append(frozenset([world.deployer, tax]))
    for _ in range(80):
        each, amount = stranger(world, exchange), world.amount()
        world.wait(world.random.randint(5, 100))
        moves = [(world.pool, tax, amount // 20), (world.pool, each, amount - amount // 20)]
        world.tx(each, ROUTER, value=ETHER // 50, data="0xb6f9de95" + word(each), moves=moves)
        world.wait(world.random.randint(5, 100))
        part = world.held(each) * world.random.randint(20, 90) // 100
        to = world.pool if world.random.random() < 0.6 else world.wallet(world.owners[each])
        moves = [(each, tax, part // 20), (each, to, part - part // 20)]
        target = ROUTER if to == world.pool else world.token
        world.tx(each, target, data="0xa9059cbb" + word(to), moves=moves)


@scenario()
def address_poisoning(world: World, scale: int) -> None:
    """Let attackers imitate addresses with transfers of nothing, dust and fake senders."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    attacker = world.used(nonce=500, coins=50)
    poison = world.infrastructure(3_000)
    world.buy(attacker, 100_000 * UNIT)
    fakes, careless = [attacker], []
    for number, victim in enumerate(buyers(world, exchange, 40, days=2)):
        fake = victim[:6] + world.new_address()[6:-4] + victim[-4:]
        world.owners[fake] = world.owners[attacker]
        fakes.append(fake)
        world.wait(world.random.randint(5, 60))
        world.tx(attacker, poison, data="0x" + word(victim), moves=[(victim, fake, 0)])
        world.tx(attacker, fake, value=ETHER // 500)
        world.send(attacker, fake, 1_500 * UNIT)
        world.tx(fake, world.token, data="0xa9059cbb", moves=[(fake, victim, 200 * UNIT)])
        if number % 20 == 7 and world.held(victim):  # the victim copies the wrong address
            world.wait(10)
            world.send(victim, fake, world.held(victim) * 9 // 10)
            careless.append(victim)
    world.uncertain += [frozenset([victim, *fakes]) for victim in careless]


@scenario()
def seizure(world: World, scale: int) -> None:
    """Let the deployer take tokens of holders by a function of the token's contract."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    house = world.wallet(world.owners[world.deployer])
    for victim in buyers(world, exchange, 30, days=2):
        held = world.held(victim)
        if held:
            world.wait(world.random.randint(5, 60))
            moves = [(victim, house, held * 95 // 100)]
            world.tx(world.deployer, world.token, data="0x" + word(victim), moves=moves)


@scenario()
def purchases_as_presents(world: World, scale: int) -> None:
    """Let a router's transaction pay what one person buys to another person's used wallet."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    for _ in range(25):
        giver, friend = world.used(), world.used()
        world.wait(world.random.randint(20, 300))
        amount = world.amount()
        world.tx(
            giver, ROUTER, value=ETHER // 10, data="0x7ff36ab5" + word(friend),
            moves=[(world.pool, giver, amount), (world.pool, friend, amount // 2)],
        )  # fmt: skip
