"""Remember who owns which wallet of a simulated chain."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.worlds.chain import DAY, ETHER, START, Chain
from benchmarks.worlds.codes import ENTRY_POINT, compiled
from compute.analysis import Label
from contracts.cluster_report import Kind

ROUTER: Final = "0x7a250d5630b4cf539739df2c5dacb4c659f2488d"
INFRASTRUCTURE: Final = 0
"""The owner of contracts that belong to no person."""


@dataclass
class People(Chain):
    """Hold the people of a world and their wallets."""

    owners: dict[str, int] = field(default_factory=dict)
    """Number of the owner of each address."""
    required: list[frozenset[str]] = field(default_factory=list)
    """Groups of wallets that an analysis has to find, as far as they hold the token."""
    uncertain: list[frozenset[str]] = field(default_factory=list)
    """Groups of wallets whose pairs no one could judge from the chain; they count neither way."""
    suspects: set[str] = field(default_factory=set)
    """Wallets that an analysis has to point out, in a suspicion or in a cluster."""
    labels: dict[str, Label] = field(default_factory=dict)
    deployer: str = ""
    pool: str = ""
    _persons: int = INFRASTRUCTURE

    def __post_init__(self) -> None:
        super().__post_init__()
        for known in (ROUTER, ENTRY_POINT):
            self.codes[known] = compiled(self.random, 9_000)
            self.owners[known] = INFRASTRUCTURE

    # People and their wallets

    def person(self) -> int:
        """Return the number of a new owner."""
        self._persons += 1
        return self._persons

    def wallet(self, owner: int | None = None) -> str:
        """Return an address that has never been used."""
        address = self.new_address()
        self.owners[address] = self.person() if owner is None else owner
        return address

    def wallets(self, count: int, owner: int) -> list[str]:
        """Return addresses of one owner that have never been used."""
        return [self.wallet(owner) for _ in range(count)]

    def used(
        self,
        owner: int | None = None,
        *,
        coins: float = 5,
        nonce: int | None = None,
        funder: str | None = None,
        days: float | None = None,
    ) -> str:
        """Return a wallet with a history of its own.

        Args:
            owner: A new person if it is left out.
            coins: Its native coins, in ether.
            nonce: Transactions that it has sent.
            funder: Who sent its first coins; a call that leaves no trace if it is left out.
            days: How long before the world's beginning that was.
        """
        address = self.wallet(owner)
        age = self.random.uniform(30, 1_000) if days is None else days
        block = START - int(age * DAY)
        if funder is None:
            self.give(address, int(coins * ETHER), block)
        else:
            self.tx(funder, address, value=int(coins * ETHER), block=block)
        sent = self.random.randint(15, 600) if nonce is None else nonce
        parts = min(sent, 4)
        for number in range(parts):  # the first part before any transaction of a scenario
            at = self.random.randint(1, int(age * DAY)) if number else 1
            rest = sent - parts * (sent // parts) if number == 0 else 0
            self.nonces[address].add(block + at, sent // parts + rest)
        return address

    def act_elsewhere(self, address: str, count: int) -> None:
        """Let an address send transactions that have nothing to do with the token."""
        self.nonces[address].add(self.block, count)

    def label(self, address: str, kind: Kind, name: str) -> None:
        """Let the set of labels know an address."""
        self.labels[address] = Label(kind, name, "planted")

    def require(self, *groups: Iterable[str]) -> None:
        """Record wallets with one owner that an analysis has to find together."""
        for group in groups:
            assert len({self.owners[each] for each in group}) == 1
            self.required.append(frozenset(group))
