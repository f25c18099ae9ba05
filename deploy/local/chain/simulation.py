"""Simulate the transfers of one token and remember which wallets have the same owner."""

import hashlib
from dataclasses import dataclass, field
from random import Random

from compute.chain_facts import Funding
from compute.transfers import TransferRow

TOKEN = "0x" + "70" * 20
ZERO = "0x" + "00" * 20
UNIT = 10**18
SUPPLY = 1_000_000_000 * UNIT


def address(number: int) -> str:
    """Return a distinct address for each number."""
    return f"0x{hashlib.sha256(str(number).encode()).hexdigest()[:40]}"


def hash_of(number: int) -> str:
    """Return a distinct hash for each number."""
    return f"0x{number:064x}"


@dataclass
class TokenSimulation:
    """Grow transfer by transfer, each in its own block, twelve seconds apart."""

    seed: int
    """The same seed makes the same simulation."""
    rows: list[TransferRow] = field(default_factory=list)
    funders: dict[str, Funding | None] = field(default_factory=dict)
    """First funding by address; None: funded at the genesis."""
    contracts: set[str] = field(default_factory=set)
    exchanges: set[str] = field(default_factory=set)
    owners: list[set[str]] = field(default_factory=list)
    """Sets of addresses with the same owner: what an analysis should find."""
    pool: str = ""
    """Where unrelated buyers buy."""
    random: Random = field(init=False)
    _addresses: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  the same simulation for the same seed
        self.deployer = self.new_wallet(funded=False)
        self.transfer(ZERO, self.deployer, SUPPLY)

    @property
    def block(self) -> int:
        """The number of the next block."""
        return 1 + len(self.rows)

    def new_wallet(self, *, funded: bool = True) -> str:
        """Return a new address, funded by an address of its own or at the genesis."""
        self._addresses += 1
        wallet = address(self._addresses)
        if funded:
            self._addresses += 1
            self.fund(address(self._addresses), wallet)
        else:
            self.funders[wallet] = None
        return wallet

    def new_wallets(self, count: int) -> list[str]:
        return [self.new_wallet() for _ in range(count)]

    def new_contract(self) -> str:
        contract = self.new_wallet(funded=False)
        self.contracts.add(contract)
        return contract

    def new_exchange(self) -> str:
        exchange = self.new_wallet(funded=False)
        self.exchanges.add(exchange)
        return exchange

    def fund(self, funder: str, wallet: str) -> None:
        """Send a wallet its first native coins."""
        at = self.block * 12
        self.funders[wallet] = Funding(funder, hash_of(10**9 + len(self.funders)), self.block, at)

    def fund_again(self, funder: str, wallet: str) -> None:
        """Send native coins to a wallet; they are its first only if it has none."""
        if wallet not in self.funders:
            self.fund(funder, wallet)

    def transfer(self, sender: str, recipient: str, amount: int) -> None:
        """Transfer tokens, in the smallest unit."""
        self.rows.append(TransferRow(self.block, 0, hash_of(self.block), sender, recipient, amount))

    def same_owner(self, *wallets: str) -> None:
        """Record that these wallets have the same owner."""
        self.owners.append(set(wallets))

    def amount(self, low: int = 5_000, high: int = 100_000) -> int:
        """Return a random integer number of tokens, in the smallest unit."""
        return self.random.randint(low, high) * UNIT

    def balances(self) -> dict[str, int]:
        """Return what each address holds, without the zero address."""
        held: dict[str, int] = {}
        for row in self.rows:
            held[row.sender] = held.get(row.sender, 0) - row.value
            held[row.recipient] = held.get(row.recipient, 0) + row.value
        held.pop(ZERO, None)
        return held

    # Patterns

    def team(self, size: int = 10) -> list[str]:
        """Let the deployer pay wallets of its own."""
        members = self.new_wallets(size)
        for member in members:
            self.transfer(self.deployer, member, self.amount())
        self.same_owner(self.deployer, *members)
        return members

    def star(self, source: str, size: int) -> list[str]:
        """Let a buyer spread what it bought over wallets of its own."""
        centre, members = self.new_wallet(), self.new_wallets(size)
        self.transfer(source, centre, self.amount(1_000_000, 2_000_000))
        for member in members:
            self.transfer(centre, member, self.amount())
        self.same_owner(centre, *members)
        return [centre, *members]

    def shared_funder(self, source: str, size: int) -> list[str]:
        """Let wallets with the same first funder buy for themselves."""
        funder = self.new_wallet()
        members = [self.new_wallet(funded=False) for _ in range(size)]
        for member in members:
            self.fund(funder, member)
            self.transfer(source, member, self.amount())
        self.same_owner(*members)
        return members

    def sink(self, source: str, size: int) -> list[str]:
        """Let wallets buy separately and send what they bought to one of them."""
        centre, members = self.new_wallet(), self.new_wallets(size)
        self.transfer(source, centre, self.amount())
        for member in members:
            bought = self.amount()
            self.transfer(source, member, bought)
            self.transfer(member, centre, bought * 9 // 10)
        self.same_owner(centre, *members)
        return [centre, *members]

    def buyers(self, source: str, count: int) -> list[str]:
        """Let unrelated wallets buy."""
        members = self.new_wallets(count)
        for member in members:
            self.transfer(source, member, self.amount())
        return members

    def airdrop(self, source: str, count: int) -> list[str]:
        """Let an unlabelled wallet pay unrelated wallets that never held the token before."""
        distributor, members = self.new_wallet(), self.new_wallets(count)
        self.transfer(source, distributor, self.amount(10_000_000, 10_000_001))
        for member in members:
            self.transfer(distributor, member, self.amount(1_000, 2_000))
        return members

    def stray_payments(self, wallets: list[str], count: int) -> None:
        """Let unrelated holders pay each other."""
        for _ in range(count):
            sender, recipient = self.random.sample(wallets, 2)
            self.transfer(sender, recipient, self.amount(10, 100))

    def dust(self, victims: list[tuple[str, str]], amount: int) -> str:
        """Let an attacker pay both wallets of each pair, to make them look like one owner's."""
        attacker = self.new_wallet()
        self.transfer(self.pool, attacker, amount * (2 * len(victims) + 1))
        for pair in victims:
            for victim in pair:
                self.transfer(attacker, victim, amount)
                self.fund_again(attacker, victim)
        return attacker


def simulate(simulation: TokenSimulation, scale: int = 1) -> None:
    """Run all patterns: pool, router, exchange, team, stars, shared funders, sinks, airdrop."""
    pool, router = simulation.new_contract(), simulation.new_contract()
    exchange = simulation.new_exchange()
    simulation.pool = pool
    simulation.transfer(simulation.deployer, pool, SUPPLY * 6 // 10)
    simulation.transfer(simulation.deployer, exchange, SUPPLY // 10)
    simulation.team()
    simulation.transfer(pool, router, SUPPLY // 100)
    unrelated = []
    for _ in range(scale):
        for pattern in (simulation.star, simulation.shared_funder, simulation.sink):
            for source in (pool, router):
                pattern(source, simulation.random.randint(3, 12))
        unrelated += simulation.buyers(pool, 40) + simulation.buyers(exchange, 40)
        unrelated += simulation.airdrop(pool, 120)
    simulation.stray_payments(unrelated, 60 * scale)
