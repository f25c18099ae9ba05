"""Define scenarios of funding, payment and attack that may be looked at while tuning."""

from benchmarks.worlds.chain import DAY, ETHER, UNIT
from benchmarks.worlds.crowd import buyers, disperser, service, shares, start, stranger
from benchmarks.worlds.scenario import scenario
from benchmarks.worlds.teams import (
    bought_apart,
    collected,
    funded_by_exchange,
    mixer,
    ordinary,
    paid_by_mixer,
    shared_funder,
    sink,
    star,
    team_of,
)
from benchmarks.worlds.world import SUPPLY, World


@scenario()
def plain_launch(world: World, scale: int) -> None:
    """Pay a team directly, and add stars, shared funders and sinks."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    for member, amount in shares(world, team):
        world.wait(2)
        world.send(world.deployer, member, amount)
    world.require([world.deployer, *team])
    for _ in range(scale):
        buyers(world, exchange, 100)
        for _ in range(2):
            star(world, exchange, world.random.randint(4, 12))
            shared_funder(world, exchange, world.random.randint(4, 12))
            sink(world, exchange, world.random.randint(4, 12))
    buyers(world, exchange, 50 * scale)


@scenario()
def a_few_friends_in_a_crowd(world: World, scale: int) -> None:
    """Let a few wallets that one person paid buy little among very many buyers."""
    exchange = start(world)
    for _ in range(3 + scale // 4):
        buyers(world, exchange, 80 * scale // (3 + scale // 4), days=1)
        friends = world.random.randint(3, 9)
        shared_funder(world, exchange, friends, tokens=(3_000, 30_000))


@scenario()
def bundle_through_go_betweens(world: World, scale: int) -> None:
    """Fund each wallet of a bundle through a fresh wallet."""
    exchange = start(world, pool=False, coins=60)
    team = team_of(world)
    for member in team:
        between = world.wallet(world.owners[world.deployer])
        world.wait(world.random.randint(1, 60))
        world.pay(world.deployer, between, 1.01)
        world.wait(world.random.randint(1, 60))
        world.sweep(between, member)
    world.open_pool()
    for member, amount in shares(world, team):
        world.buy(member, amount)
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def bundle_in_one_transaction(world: World, scale: int) -> None:
    """Let the deployer buy in one transaction for wallets that a mixer paid."""
    exchange = start(world, pool=False)
    team = team_of(world)
    paid_by_mixer(world, mixer(world), team)
    contract = disperser(world)
    world.open_pool()
    world.buy_together(world.deployer, shares(world, team), contract)
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def unlabelled_exchanges(world: World, scale: int) -> None:
    """Fund the team and the buyers from exchanges that no one has labelled."""
    exchange = start(world)
    unknown = [service(world, 2), service(world), service(world)]
    team = team_of(world)
    for number, member in enumerate(team):
        world.wait(world.random.randint(1, 100))
        unknown[number % 3].withdraw(member, 1)
    bought_apart(world, team)
    for each in unknown:
        buyers(world, each, 60 * scale)
    buyers(world, exchange, 40 * scale)


@scenario()
def multisender_pays_the_team(world: World, scale: int) -> None:
    """Let a contract take the sum from the deployer and pay the team."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    world.send_through(disperser(world), world.deployer, shares(world, team))
    world.require([world.deployer, *team])
    buyers(world, exchange, 150 * scale)


@scenario(recall=None)
def multisender_pays_a_crowd(world: World, scale: int) -> None:
    """Let a contract pay the team and 200 real receivers: no one can tell them apart."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    crowd = [stranger(world, exchange) for _ in range(200 * scale)]
    receivers = team + crowd
    world.random.shuffle(receivers)
    contract = disperser(world)
    for first in range(0, len(receivers), 110):
        world.wait(1)
        paid = shares(world, receivers[first : first + 110], 2)
        world.send_through(contract, world.deployer, paid)
    buyers(world, exchange, 100 * scale)


@scenario()
def drainer(world: World, scale: int) -> None:
    """Let a stranger's transactions move the tokens of twenty victims to one wallet."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    victims = buyers(world, exchange, 20, days=1)
    thief = world.used(nonce=70)
    safe_house = world.wallet(world.owners[thief])
    spender = world.infrastructure(2_500)
    for victim in victims:
        held = world.held(victim)
        if held:
            world.wait(world.random.randint(10, 200))
            taken = held * world.random.randint(80, 97) // 100
            world.tx(
                thief, spender, data="0x" + victim[2:].rjust(64, "0"),
                moves=[(victim, safe_house, taken)],
            )  # fmt: skip


@scenario()
def one_wei_to_cold_wallets(world: World, scale: int) -> None:
    """Send one wei to pairs of wallets that never had native coins."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    world.send(world.deployer, exchange.hot[0], SUPPLY // 8)
    cold = [world.wallet() for _ in range(60)]
    for each in cold:
        world.wait(world.random.randint(1, 100))
        exchange.withdraw_tokens(each, world.amount())
    for first in range(0, len(cold), 2):
        duster = world.used(nonce=world.random.randint(2, 40))
        for each in cold[first : first + 2]:
            world.wait(5)
            world.tx(duster, each, value=1)


@scenario()
def one_wei_before_real_coins(world: World, scale: int) -> None:
    """Send dust to new wallets; real coins from the exchange follow, and they buy."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    duster = world.used(nonce=90)
    dusted = [world.wallet() for _ in range(30)]
    for each in dusted:
        world.wait(3)
        world.tx(duster, each, value=world.random.choice((1, 10, 10**9)))
    for each in dusted:
        world.wait(world.random.randint(20, 400))
        exchange.withdraw(each, world.random.uniform(0.2, 1))
        world.wait(world.random.randint(20, 400))
        world.buy(each, world.amount())


@scenario()
def safe_pays_the_team(world: World, scale: int) -> None:
    """Let the deployer fill a Safe, and the Safe pay the team."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    safe = world.safe([world.deployer], world.owners[world.deployer])
    world.send(world.deployer, safe, SUPPLY * 12 // 100)
    for member, amount in shares(world, team):
        world.wait(world.random.randint(1, 50))
        world.execute(safe, world.deployer, [(safe, member, amount)])
    world.require([world.deployer, safe, *team])
    buyers(world, exchange, 150 * scale)


@scenario()
def exchange_paid_team_collects(world: World, scale: int) -> None:
    """Connect the team only by the collection of its tokens by the deployer."""
    exchange = start(world)
    team = team_of(world)
    funded_by_exchange(world, exchange, team)
    bought_apart(world, team)
    buyers(world, exchange, 150 * scale)
    collected(world, team, world.deployer)
    world.require([world.deployer, *team])


@scenario()
def framing_by_dust(world: World, scale: int) -> None:
    """Let a stranger pay small sums to a hundred pairs of holders."""
    exchange = ordinary(world, scale)
    shared_funder(world, exchange, 12)
    holders = [each for each in buyers(world, exchange, 120) if world.held(each)]
    attacker = world.used(nonce=30, coins=200)
    world.buy(attacker, 900_000 * UNIT)
    for _ in range(100):
        pair = world.random.sample(holders, 2)
        for victim in pair:
            world.wait(1)
            world.send(attacker, victim, 1_200 * UNIT)
            world.tx(attacker, victim, value=ETHER // 10_000)


@scenario(recall=None)
def owner_fans_out_to_500(world: World, scale: int) -> None:
    """Spread tokens over more wallets than a method may attribute to one owner."""
    exchange = start(world, coins=400)
    wallets = team_of(world, 500)
    for member, amount in shares(world, wallets):
        world.wait(world.random.randint(1, 10))
        world.pay(world.deployer, member, 0.01)
        world.send(world.deployer, member, amount)
    world.wait(DAY)
    buyers(world, exchange, 150 * scale)
