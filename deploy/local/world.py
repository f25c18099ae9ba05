"""A generated world of one token: who moves what to whom, and who belongs together in truth."""

import random
from dataclasses import dataclass, field

from compute.facts import Funding
from compute.transfers import Row

TOKEN = "0x" + "70" * 20
ZERO = "0x" + "00" * 20
UNIT = 10**18
SUPPLY = 1_000_000_000 * UNIT
DAY_BLOCKS = 7_200


def address(number: int) -> str:
    return f"0x{(number * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64:016x}{number:024x}"


def hash_of(number: int) -> str:
    return f"0x{number:064x}"


@dataclass
class World:
    """Grows transfer by transfer; one block each, twelve seconds apart."""

    seed: int
    rows: list[Row] = field(default_factory=list)
    funders: dict[str, Funding | None] = field(default_factory=dict)
    contracts: set[str] = field(default_factory=set)
    exchanges: set[str] = field(default_factory=set)
    truth: list[set[str]] = field(default_factory=list)
    """Sets of addresses with one owner."""
    pool: str = ""
    """Where strangers buy."""
    chance: random.Random = field(init=False)
    _people: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  the same world for the same seed
        self.deployer = self.person(funded=False)
        self.move(ZERO, self.deployer, SUPPLY)

    @property
    def block(self) -> int:
        return 1 + len(self.rows)

    def person(self, *, funded: bool = True) -> str:
        """A new address; `funded` by somebody whom nobody else knows."""
        self._people += 1
        name = address(self._people)
        if funded:
            self._people += 1
            self.fund(address(self._people), name)
        else:
            self.funders[name] = None
        return name

    def people(self, count: int) -> list[str]:
        return [self.person() for _ in range(count)]

    def contract(self) -> str:
        name = self.person(funded=False)
        self.contracts.add(name)
        return name

    def exchange(self) -> str:
        name = self.person(funded=False)
        self.exchanges.add(name)
        return name

    def fund(self, funder: str, name: str) -> None:
        at = self.block * 12
        self.funders[name] = Funding(funder, hash_of(10**9 + len(self.funders)), self.block, at)

    def move(self, sender: str, recipient: str, amount: int) -> None:
        self.rows.append(Row(self.block, 0, hash_of(self.block), sender, recipient, amount))

    def own(self, *names: str) -> None:
        self.truth.append(set(names))

    def amount(self, low: int = 5_000, high: int = 100_000) -> int:
        return self.chance.randint(low, high) * UNIT

    # What is planted

    def team(self, size: int = 10) -> list[str]:
        """The deployer pays its own wallets."""
        members = self.people(size)
        for member in members:
            self.move(self.deployer, member, self.amount())
        self.own(self.deployer, *members)
        return members

    def star(self, source: str, size: int) -> list[str]:
        """A buyer spreads what it bought over wallets of its own."""
        centre, members = self.person(), self.people(size)
        self.move(source, centre, self.amount(1_000_000, 2_000_000))
        for member in members:
            self.move(centre, member, self.amount())
        self.own(centre, *members)
        return [centre, *members]

    def shared_funder(self, source: str, size: int) -> list[str]:
        """Wallets that one purse gave their first native coins to buy for themselves."""
        purse = self.person()
        members = [self.person(funded=False) for _ in range(size)]
        for member in members:
            self.fund(purse, member)
            self.move(source, member, self.amount())
        self.own(*members)
        return members

    def sink(self, source: str, size: int) -> list[str]:
        """Wallets that buy alone and send what they bought to one of them."""
        centre, members = self.person(), self.people(size)
        self.move(source, centre, self.amount())
        for member in members:
            bought = self.amount()
            self.move(source, member, bought)
            self.move(member, centre, bought * 9 // 10)
        self.own(centre, *members)
        return [centre, *members]

    def buyers(self, source: str, count: int) -> list[str]:
        members = self.people(count)
        for member in members:
            self.move(source, member, self.amount())
        return members

    def airdrop(self, source: str, count: int) -> list[str]:
        """From a wallet that nobody has labelled to strangers who never held before."""
        purse, members = self.person(), self.people(count)
        self.move(source, purse, self.amount(10_000_000, 10_000_001))
        for member in members:
            self.move(purse, member, self.amount(1_000, 2_000))
        return members

    def stray(self, names: list[str], count: int) -> None:
        """Payments between strangers who hold already."""
        for _ in range(count):
            sender, recipient = self.chance.sample(names, 2)
            self.move(sender, recipient, self.amount(10, 100))

    def dust(self, victims: list[tuple[str, str]], amount: int) -> str:
        """A stranger sends to both of each pair, to make them look like one."""
        attacker = self.person()
        self.move(self.pool, attacker, amount * (2 * len(victims) + 1))
        for pair in victims:
            for victim in pair:
                self.move(attacker, victim, amount)
                self.fund_again(attacker, victim)
        return attacker

    def fund_again(self, funder: str, name: str) -> None:
        """Native coins for a wallet that has some: nobody's first."""
        if name not in self.funders:
            self.fund(funder, name)

    def balances(self) -> dict[str, int]:
        held: dict[str, int] = {}
        for row in self.rows:
            held[row.sender] = held.get(row.sender, 0) - row.value
            held[row.recipient] = held.get(row.recipient, 0) + row.value
        held.pop(ZERO, None)
        return held


def plant(world: World, scale: int = 1) -> None:
    """Everything at once: pool, router, exchange, team, stars, shared funders, sinks, airdrop."""
    pool, router, exchange = world.contract(), world.contract(), world.exchange()
    world.pool = pool
    world.move(world.deployer, pool, SUPPLY * 6 // 10)
    world.move(world.deployer, exchange, SUPPLY // 10)
    world.team()
    world.move(pool, router, SUPPLY // 100)
    strangers = []
    for _ in range(scale):
        for make in (world.star, world.shared_funder, world.sink):
            for source in (pool, router):
                make(source, world.chance.randint(3, 12))
        strangers += world.buyers(pool, 40) + world.buyers(exchange, 40)
        strangers += world.airdrop(pool, 120)
    world.stray(strangers, 60 * scale)
