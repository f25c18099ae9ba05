"""Launch a token on a real EVM as it happens: with a bundle, a team, thieves and an exchange."""

from dataclasses import dataclass, field
from itertools import count
from random import Random

from deploy.local.chain.simulation import SUPPLY, UNIT, address
from tests.compute.anvil.chain import COIN, WETH, Anvil
from tests.compute.anvil.contracts import MULTISENDER, POOL, SINGLETON, TOKEN, Value, safe_creation

FIRST_COINS = COIN // 20
OTHER_CUSTOMERS = 1_000


@dataclass
class Launch:
    """Play a launch; the attributes name who took part in which pattern."""

    anvil: Anvil
    token: str = ""
    pool: str = ""
    deployer: str = ""
    strangers: list[str] = field(default_factory=list)
    """Unrelated buyers."""
    funder: str = ""
    """Paid for the bundle, through `go_betweens`."""
    go_betweens: list[str] = field(default_factory=list)
    bundle: list[str] = field(default_factory=list)
    payer: str = ""
    """Paid `receivers` by a multisender."""
    multisender: str = ""
    receivers: list[str] = field(default_factory=list)
    treasury: str = ""
    """A Safe; got its tokens from the deployer and paid `team`."""
    team: list[str] = field(default_factory=list)
    drainer: str = ""
    stash: str = ""
    """Where the drainer sent what it took from `victims`."""
    victims: list[str] = field(default_factory=list)
    framer: str = ""
    framed: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of unrelated buyers whom the framer paid before."""
    exchange: str = ""
    """Has no label."""
    customers: list[str] = field(default_factory=list)
    """Unrelated buyers whose first coins the exchange paid."""
    _numbers: "count[int]" = field(default_factory=lambda: count(10**6))
    _random: Random = field(default_factory=lambda: Random(17))

    @property
    def owners(self) -> list[set[str]]:
        """Sets of holders with the same owner: what an analysis should find."""
        return [
            set(self.bundle),
            {self.payer, *self.receivers},
            {self.deployer, self.treasury, *self.team},
            {self.drainer, self.stash},
        ]

    async def play(self) -> None:
        """Send all transactions."""
        await self._create()
        self.strangers = await self._buyers(30)
        await self._bundle(8)
        await self._pay_many(12)
        await self._pay_from_safe(8)
        await self._drain(6)
        await self._frame(6)
        await self._withdraw(12)
        self.strangers += await self._buyers(30)
        assert not await self.anvil.failed()

    # Patterns

    async def _create(self) -> None:
        self.deployer = self._wallet()
        await self.anvil.endow(self.deployer)
        self.token = await self.anvil.create(self.deployer, TOKEN.creation(SUPPLY))
        self.pool = await self.anvil.create(self.deployer, POOL.creation(self.token, WETH))
        self._transfer(self.deployer, self.pool, SUPPLY * 6 // 10)
        await self.anvil.mine()

    async def _bundle(self, size: int) -> None:
        """Fund wallets through two go-betweens each, which buy in the same block."""
        self.funder, self.bundle = self._wallet(), self._wallets(size)
        await self.anvil.endow(self.funder)
        for wallet in self.bundle:
            payer = self.funder
            between = self._wallets(2)
            for number, recipient in enumerate((*between, wallet)):
                self._pay(payer, recipient, FIRST_COINS * (3 - number))
                await self.anvil.mine(3)
                payer = recipient
            self.go_betweens += between
        for wallet in self.bundle:
            self._buy(wallet)
        await self.anvil.mine()

    async def _pay_many(self, size: int) -> None:
        """Spread what one wallet bought, by one call of a multisender."""
        (self.payer,) = await self._buyers(1)
        self._buy(self.payer, 100_000 * UNIT)
        self.receivers = self._wallets(size)
        self.multisender = await self.anvil.create(self.deployer, MULTISENDER.bytecode)
        amounts = [self._random.randint(2_000, 6_000) * UNIT for _ in self.receivers]
        self._transact(self.payer, "approve", self.multisender, sum(amounts))
        data = MULTISENDER.call("send", self.token, self.receivers, amounts)
        self._send(self.payer, self.multisender, data)
        await self.anvil.mine()

    async def _pay_from_safe(self, size: int) -> None:
        """Let the deployer pay a Safe, whose owner lets it pay a team."""
        owner, self.team = self._wallet(), self._wallets(size)
        await self.anvil.endow(owner)
        singleton = await self.anvil.create(owner, SINGLETON.bytecode)
        self.treasury = await self.anvil.create(owner, safe_creation(singleton))
        self._send(owner, self.treasury, SINGLETON.call("setup", owner))
        self._transfer(self.deployer, self.treasury, SUPPLY // 20)
        for member in self.team:
            transfer = TOKEN.call("transfer", member, self._amount())
            operation = SINGLETON.call("execute", self.token, bytes.fromhex(transfer[2:]))
            self._send(owner, self.treasury, operation)
        await self.anvil.mine()

    async def _drain(self, size: int) -> None:
        """Take most of what buyers hold, who were made to approve that."""
        self.victims = await self._buyers(size)
        self.drainer, self.stash = self._wallet(), self._wallet()
        await self._fund(self.drainer)
        taken = 0
        for victim in self.victims:
            amount = 4_000 * UNIT
            self._transact(victim, "approve", self.drainer, 2**256 - 1)
            self._transact(self.drainer, "transferFrom", victim, self.drainer, amount)
            taken += amount
        self._transfer(self.drainer, self.stash, taken * 3 // 4)
        await self.anvil.mine()

    async def _frame(self, pairs: int) -> None:
        """Pay the least there is to wallets before they buy, and log transfers in their names."""
        (self.framer,) = await self._buyers(1)
        wallets = self._wallets(2 * pairs)
        self.framed = list(zip(wallets[::2], wallets[1::2], strict=True))
        for wallet in wallets:
            self._pay(self.framer, wallet, 1)
            self._transfer(self.framer, wallet, 1)
        await self.anvil.mine()
        await self._fund(*wallets)
        for wallet in wallets:
            self._buy(wallet)
        await self.anvil.mine()
        for pair in self.framed:
            self._transact(self.framer, "transferFrom", *pair, 0)
            self._transfer(self.framer, pair[1], 1)
        await self.anvil.mine()

    async def _withdraw(self, size: int) -> None:
        """Let buyers withdraw their first coins from an exchange that has many other customers."""
        self.exchange, self.customers = self._wallet(), self._wallets(size)
        await self.anvil.endow(self.exchange)
        for _ in range(0, OTHER_CUSTOMERS, 100):
            for other in self._wallets(100):
                self._pay(self.exchange, other, FIRST_COINS)
            await self.anvil.mine()
        for customer in self.customers:
            self._pay(self.exchange, customer, FIRST_COINS)
        await self.anvil.mine()
        for customer in self.customers:
            self._buy(customer)
        await self.anvil.mine()

    # Transactions

    def _wallet(self) -> str:
        return address(next(self._numbers))

    def _wallets(self, size: int) -> list[str]:
        return [self._wallet() for _ in range(size)]

    def _amount(self) -> int:
        return self._random.randint(5_000, 100_000) * UNIT

    async def _buyers(self, size: int) -> list[str]:
        """Return new wallets, each funded by another address, that have bought."""
        wallets = self._wallets(size)
        await self._fund(*wallets)
        for wallet in wallets:
            self._buy(wallet)
        await self.anvil.mine()
        return wallets

    async def _fund(self, *wallets: str) -> None:
        """Pay each wallet its first coins from an address of its own."""
        funders = self._wallets(len(wallets))
        await self.anvil.endow(*funders)
        for funder, wallet in zip(funders, wallets, strict=True):
            self._pay(funder, wallet, FIRST_COINS)
        await self.anvil.mine()

    def _pay(self, sender: str, recipient: str, value: int) -> None:
        fields = {"from": sender, "to": recipient, "value": hex(value), "gas": hex(21_000)}
        self.anvil.queue(**fields)

    def _buy(self, buyer: str, amount: int = 0) -> None:
        self._send(buyer, self.pool, POOL.call("buy", buyer, amount or self._amount()))

    def _transfer(self, sender: str, recipient: str, amount: int) -> None:
        self._transact(sender, "transfer", recipient, amount)

    def _transact(self, sender: str, method: str, *values: Value) -> None:
        self._send(sender, self.token, TOKEN.call(method, *values))

    def _send(self, sender: str, contract: str, data: str) -> None:
        fields = {"from": sender, "to": contract, "data": data, "gas": hex(1_000_000)}
        self.anvil.queue(**fields)
