"""Provide what surrounds a launch: exchanges, unrelated buyers, multisenders."""

from dataclasses import dataclass, field
from typing import Final

from benchmarks.worlds.chain import DAY, ETHER, START, UNIT
from benchmarks.worlds.world import SUPPLY, World

BUSY: Final = 60_000
"""Transactions that a hot wallet of an exchange has sent, at least."""


@dataclass
class Service:
    """Represent an exchange, desk or relayer that pays from one or more hot wallets."""

    world: World
    hot: list[str]
    owner: int
    _turn: int = 0
    deposits: dict[str, str] = field(default_factory=dict)
    """Deposit address by customer."""

    def withdraw(self, recipient: str, ether: float, *, block: int | None = None) -> None:
        """Pay native coins to a customer."""
        self.world.pay(self._next(), recipient, ether, block=block)

    def withdraw_tokens(self, recipient: str, amount: int) -> None:
        """Pay tokens to a customer."""
        self.world.send(self.hot[0], recipient, amount)

    def _next(self) -> str:
        self._turn += 1
        return self.hot[self._turn % len(self.hot)]

    def deposit(self, customer: str, amount: int) -> None:
        """Take tokens at the customer's deposit address, and move them to the hot wallet."""
        world = self.world
        if customer not in self.deposits:
            self.deposits[customer] = world.wallet(world.owners[customer])
        address = self.deposits[customer]
        world.send(customer, address, amount)
        world.wait(world.random.randint(2, 30))
        world.pay(self._next(), address, 0.002)
        world.send(address, self.hot[0], amount)


def service(
    world: World, wallets: int = 1, *, label: str | None = None, nonce: int = BUSY
) -> Service:
    """Return an exchange or another service; the labels know it if `label` names it."""
    owner = world.person()
    hot = []
    for _ in range(wallets):
        sent = nonce + world.random.randint(0, nonce // 2)
        address = world.used(owner, coins=100_000, nonce=sent, days=900)
        hot.append(address)
        if label:
            world.label(address, "exchange", label)
    return Service(world, hot, owner)


def start(world: World, *, pool: bool = True, coins: float = 30) -> Service:
    """Begin a launch as most begin: an exchange, a deployer that it pays, the token, a pool."""
    exchange = service(world, 3, label="An exchange")
    deployer = world.wallet()
    exchange.withdraw(deployer, coins, block=START - 2 * DAY)
    world.wait(10)
    world.deploy(deployer)
    world.wait(3)
    if pool:
        world.open_pool()
        world.wait(1)
    return exchange


def buyers(world: World, exchange: Service, count: int, *, days: float = 5) -> list[str]:
    """Let unrelated people buy, sell, move to a cold wallet and deposit at the exchange.

    Most have used their wallet for long; a third received its first coins from the exchange.
    """
    found = [stranger(world, exchange) for _ in range(count)]
    gap = max(1, int(days * DAY / max(1, count)))
    largest = min(2_000_000, world.held(world.pool) // UNIT * 2 // 5 // max(1, count))
    for buyer in found:
        world.wait(world.random.randint(1, 2 * gap))
        amount = world.amount(largest // 20, largest)
        world.buy(buyer, amount)
        chance = world.random.random()
        if chance < 0.25:
            world.wait(world.random.randint(1, gap))
            world.sell(buyer, amount * world.random.randint(10, 90) // 100)
        elif chance < 0.32:
            exchange.deposit(buyer, amount * world.random.randint(30, 100) // 100)
        elif chance < 0.38:
            cold = world.wallet(world.owners[buyer])
            world.pay(buyer, cold, 0.01)
            world.send(buyer, cold, amount)
    return found


def stranger(world: World, exchange: Service) -> str:
    """Return a wallet of a person who has nothing to do with any other."""
    if world.random.random() < 0.35:
        fresh = world.wallet()
        block = world.block - world.random.randint(1, 2 * DAY)
        exchange.withdraw(fresh, world.random.uniform(0.2, 3), block=block)
        return fresh
    if world.random.random() < 0.5:
        friend = world.used(coins=50, days=1_100)
        return world.used(funder=friend)
    return world.used()


def disperser(world: World) -> str:
    """Return a contract that pays many wallets in one transaction."""
    return world.infrastructure(3_000)


def shares(world: World, wallets: list[str], percent: float = 10) -> list[tuple[str, int]]:
    """Divide about this percentage of the supply unevenly over wallets."""
    weights = [world.random.uniform(0.5, 1.5) for _ in wallets]
    total = SUPPLY * percent / 100
    return [
        (wallet, int(total * weight / sum(weights)))
        for wallet, weight in zip(wallets, weights, strict=True)
    ]


def ether(wei: int) -> float:
    """Convert wei to ether."""
    return wei / ETHER
