"""Let people act on a simulated chain, and remember who owns what."""

from collections.abc import Sequence
from typing import Final

from benchmarks.worlds.chain import ETHER, GAS, UNIT, ZERO, Move, Tx
from benchmarks.worlds.codes import (
    ENTRY_POINT,
    ERC1967,
    SAFE_1_3,
    SAFE_1_4,
    SAFE_EXECUTED,
    SAFE_SINGLETON,
    USER_OPERATION,
    address_list,
    compiled,
    delegation,
    selector,
    word,
    words,
)
from benchmarks.worlds.people import INFRASTRUCTURE, ROUTER, People

NEVER: Final = 10**9
"""A block that no world reaches."""
SUPPLY: Final = 1_000_000_000 * UNIT


class World(People):
    """Simulate the life of one token."""

    # Native coins

    def pay(self, sender: str, recipient: str, ether: float, *, block: int | None = None) -> Tx:
        """Send native coins."""
        return self.tx(sender, recipient, value=int(ether * ETHER), block=block)

    def sweep(self, sender: str, recipient: str) -> Tx:
        """Send all native coins."""
        return self.tx(sender, recipient, value=self.coins[sender].now - GAS)

    def pay_through(self, contract: str, payer: str, shares: Sequence[tuple[str, float]]) -> Tx:
        """Let a contract pay several wallets in one transaction."""
        amounts = [(to, int(ether * ETHER)) for to, ether in shares]
        data = _call_with_lists("disperseEther(address[],uint256[])", amounts)
        internal = [(contract, to, wei) for to, wei in amounts]
        total = sum(wei for _, wei in amounts)
        return self.tx(payer, contract, value=total, data=data, internal=internal)

    # Tokens

    def send(self, sender: str, recipient: str, amount: int) -> Tx:
        """Transfer tokens."""
        data = "0x" + selector("transfer(address,uint256)") + word(recipient) + word(amount)
        return self.tx(sender, self.token, data=data, moves=[(sender, recipient, amount)])

    def buy(self, buyer: str, amount: int, *, ether: float = 0.05, through: str = ROUTER) -> Tx:
        """Buy from the pool."""
        data = "0x" + selector("swapExactETHForTokens(uint256,address[],address,uint256)")
        data += word(amount) + word(128) + word(buyer)
        wei = int(ether * ETHER)
        return self.tx(
            buyer, through, value=wei, data=data,
            moves=[(self.pool, buyer, amount)], internal=[(through, self.pool, wei)],
        )  # fmt: skip

    def sell(self, seller: str, amount: int, *, ether: float = 0.05) -> Tx:
        """Sell to the pool."""
        data = "0x" + selector("swapExactTokensForETH(uint256,uint256,address[],address,uint256)")
        return self.tx(
            seller, ROUTER, data=data + word(amount),
            moves=[(seller, self.pool, amount)],
            internal=[(self.pool, seller, int(ether * ETHER))],
        )  # fmt: skip

    def send_through(
        self, contract: str, payer: str, shares: Sequence[tuple[str, int]], *, pulls: bool = True
    ) -> Tx:
        """Let a contract pay tokens to several wallets in one transaction.

        `pulls`: the contract takes the sum first; otherwise it moves each share from the payer.
        """
        moves: list[Move] = [(contract if pulls else payer, to, amount) for to, amount in shares]
        if pulls:
            moves.insert(0, (payer, contract, sum(amount for _, amount in shares)))
        data = _call_with_lists("disperseToken(address,address[],uint256[])", shares, self.token)
        return self.tx(payer, contract, data=data, moves=moves)

    def buy_together(
        self, signer: str, shares: Sequence[tuple[str, int]], contract: str, *, ether: float = 0.5
    ) -> Tx:
        """Buy for several wallets in one transaction."""
        data = _call_with_lists("multiBuy(address[],uint256[])", shares)
        wei = int(ether * ETHER)
        moves = [(self.pool, to, amount) for to, amount in shares]
        internal = [(contract, self.pool, wei)]
        return self.tx(signer, contract, value=wei, data=data, moves=moves, internal=internal)

    def amount(self, low: int = 100_000, high: int = 2_000_000) -> int:
        """Return a random amount of tokens that is no round number."""
        return self.random.randint(low * UNIT, high * UNIT)

    # Accounts with code

    def safe(self, owners: list[str], owner: int, threshold: int = 1) -> str:
        """Create a Safe."""
        code = self.random.choice((SAFE_1_3, SAFE_1_4))
        safe = self.contract(
            code,
            getOwners=address_list(owners),
            getThreshold=words(threshold),
            masterCopy=words(SAFE_SINGLETON),
            nonce=words(3),
            VERSION=bytes.fromhex(word(32) + word(5)) + b"1.3.0".ljust(32, b"\0"),
        )
        self.owners[safe] = owner
        return safe

    def execute(self, safe: str, signer: str, moves: Sequence[Move], ether: float = 0) -> Tx:
        """Let a Safe transfer tokens; with `ether` it pays that much to each recipient too."""
        log = (safe, (SAFE_EXECUTED, "0x" + self.random.randbytes(32).hex()), "0x" + word(0))
        internal = [(safe, to, int(ether * ETHER)) for _, to, _ in moves] if ether else []
        data = "0x" + selector(
            "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
        )
        data += "".join(word(to) for _, to, _ in moves)
        return self.tx(signer, safe, data=data, moves=list(moves), internal=internal, logs=(log,))

    def smart_account(self, owner: int) -> str:
        """Return an ERC-4337 account; its first operation will create its code."""
        account = self.contract(ERC1967, entryPoint=words(ENTRY_POINT))
        self.created[account] = NEVER
        self.owners[account] = owner
        return account

    def operate(self, bundler: str, operations: Sequence[tuple[str, Sequence[Move]]]) -> Tx:
        """Let a bundler execute the operations of smart accounts in one transaction."""
        logs = tuple(
            (
                ENTRY_POINT,
                (
                    USER_OPERATION, "0x" + self.random.randbytes(32).hex(),
                    "0x" + word(account), "0x" + word(0),
                ),
                "0x" + word(1) + word(1) + word(GAS) + word(100_000),
            )
            for account, _ in operations
        )  # fmt: skip
        for account, _ in operations:
            self.created[account] = min(self.created[account], self.block)
        moves = [move for _, each in operations for move in each]
        data = "0x765e827f" + "".join(word(account) for account, _ in operations)
        return self.tx(bundler, ENTRY_POINT, data=data, moves=moves, logs=logs)

    def delegate(self, address: str) -> None:
        """Let an account run a contract's code (EIP-7702)."""
        self.codes[address] = delegation()
        self.created[address] = self.block

    def infrastructure(self, size: int = 6_000, **views: bytes) -> str:
        """Create a contract that belongs to no person."""
        contract = self.contract(compiled(self.random, size), **views)
        self.owners[contract] = INFRASTRUCTURE
        return contract

    # The launch

    def deploy(
        self,
        deployer: str,
        recipients: Sequence[tuple[str, int]] | None = None,
        *,
        factory: str | None = None,
    ) -> Tx:
        """Create the token; the supply goes to the deployer unless `recipients` says more."""
        self.deployer = deployer
        self.codes[self.token] = compiled(self.random, 7_000)
        self.created[self.token] = self.block
        self.owners[self.token] = INFRASTRUCTURE
        paid = list(recipients or ())
        rest = SUPPLY - sum(amount for _, amount in paid)
        moves = [(ZERO, deployer, rest)] + [(ZERO, to, amount) for to, amount in paid]
        views = {
            "totalSupply()": words(SUPPLY),
            "decimals()": words(18),
            "name()": words(32, 5) + b"World".ljust(32, b"\0"),
            "symbol()": words(32, 3) + b"WLD".ljust(32, b"\0"),
            "owner()": words(deployer),
        }
        self.views[self.token] = views
        created = None if factory else self.token
        return self.tx(deployer, factory, data="0x60806040", moves=moves, creates=created)

    def open_pool(self, amount: int = SUPPLY * 8 // 10, ether: float = 5) -> None:
        """Create a pool and let the deployer put tokens and coins into it."""
        self.pool = self.infrastructure(
            11_000, token0=words(self.token), token1=words(ROUTER),
            getReserves=words(amount, int(ether * ETHER), 0), factory=words(self.new_address()),
        )  # fmt: skip
        wei = int(ether * ETHER)
        self.tx(
            self.deployer, ROUTER, value=wei, data="0xf305d719" + word(self.token) + word(amount),
            moves=[(self.deployer, self.pool, amount)], internal=[(ROUTER, self.pool, wei)],
        )  # fmt: skip


def _call_with_lists(
    signature: str, shares: Sequence[tuple[str, int]], token: str | None = None
) -> str:
    head = [token] if token else []
    first = 32 * (len(head) + 2)
    count = len(shares)
    body: list[int | str] = [*head, first, first + 32 * (count + 1), count]
    body += [to for to, _ in shares]
    body += [count, *[amount for _, amount in shares]]
    return "0x" + selector(signature) + words(*body).hex()
