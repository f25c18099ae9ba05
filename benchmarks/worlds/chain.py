"""Simulate a chain: transactions that move native coins and one token, nonces, code."""

import bisect
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Final

from benchmarks.worlds.codes import TRANSFER, word

ZERO: Final = "0x" + "00" * 20
ETHER: Final = 10**18
UNIT: Final = 10**18
"""One token."""
START: Final = 21_000_000
"""Block at which a world begins."""
DAY: Final = 7_200
"""Blocks of a day."""
BLOCK_SECONDS: Final = 12
GAS: Final = ETHER // 2_000
"""What a transaction costs its signer, in wei."""
_GENESIS: Final = 1_438_269_973

Move = tuple[str, str, int]
"""Sender, recipient and amount of a transfer of tokens or of native coins."""
Log = tuple[str, tuple[str, ...], str]
"""Address, topics and data."""


class History:
    """Record a number that changes with the blocks; changes may be recorded in any order."""

    def __init__(self) -> None:
        self._changes: list[tuple[int, int]] = []
        self._blocks: list[int] = []
        self._sums: list[int] = []
        self.now = 0
        """The sum of all changes."""

    def add(self, block: int, change: int) -> None:
        self._changes.append((block, change))
        self.now += change
        self._blocks = []

    def at(self, block: int) -> int:
        """Return the number at the end of a block."""
        if not self._blocks:
            self._sort()
        index = bisect.bisect_right(self._blocks, block)
        return self._sums[index - 1] if index else 0

    def _sort(self) -> None:
        total, sums = 0, []
        for _, change in sorted(self._changes):
            total += change
            sums.append(total)
        self._blocks = [block for block, _ in sorted(self._changes)]
        self._sums = sums


@dataclass(frozen=True, slots=True)
class Tx:
    """Represent a transaction and what it did."""

    hash: str
    block: int
    index: int
    """Position in the block."""
    signer: str
    to: str | None
    """None if it creates a contract."""
    value: int
    """In wei."""
    data: str
    nonce: int
    logs: tuple[Log, ...]
    creates: str | None


@dataclass
class Chain:
    """Hold the blocks of a world."""

    seed: int
    block: int = START
    """The block that is being filled."""
    transactions: dict[int, list[Tx]] = field(default_factory=lambda: defaultdict(list))
    by_hash: dict[str, Tx] = field(default_factory=dict)
    coins: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    nonces: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    tokens: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    codes: dict[str, bytes] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)
    """Block in which a contract was created; 0 if it is left out."""
    views: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    """By contract and signature: what a view function returns."""
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  the same world for the same seed
        self.token = self.new_address()

    def new_address(self) -> str:
        return "0x" + self.random.randbytes(20).hex()

    def wait(self, blocks: int = 1) -> None:
        """Begin a later block."""
        self.block += blocks

    def give(self, address: str, wei: int, block: int = 0) -> None:
        """Credit native coins without a transaction: genesis, or a call that leaves no trace."""
        self.coins[address].add(block, wei)

    def contract(self, code: bytes, **views: bytes) -> str:
        """Create a contract; `views` are its view functions without arguments."""
        address = self.new_address()
        self.codes[address] = code
        self.created[address] = self.block
        self.views[address] = {f"{name}()": result for name, result in views.items()}
        return address

    def tx(
        self,
        signer: str,
        to: str | None,
        *,
        value: int = 0,
        data: str = "0x",
        moves: tuple[Move, ...] | list[Move] = (),
        internal: tuple[Move, ...] | list[Move] = (),
        logs: tuple[Log, ...] = (),
        creates: str | None = None,
        block: int | None = None,
        unbacked: bool = False,
    ) -> Tx:
        """Add a transaction.

        Args:
            signer: Who signs it and pays for it.
            to: The called address.
            value: Native coins that the signer sends to `to`, in wei.
            data: The call.
            moves: Token transfers, each with a log.
            internal: Payments of native coins by contracts, without a transaction.
            logs: Other logs, which follow those of the transfers.
            creates: The contract that it creates.
            block: An earlier block than the present one.
            unbacked: True if the logs of the token are not true.
        """
        at = self.block if block is None else block
        self._pay(signer, -value - GAS, at)
        if to is not None:
            self._pay(to, value, at)
        for sender, recipient, wei in internal:
            self._pay(sender, -wei, at)
            self._pay(recipient, wei, at)
        for sender, recipient, amount in moves if not unbacked else ():
            self.tokens[sender].add(at, -amount)
            self.tokens[recipient].add(at, amount)
            assert sender == ZERO or self.tokens[sender].now >= 0, "more tokens than it has"
        nonce = self.nonces[signer].now
        self.nonces[signer].add(at, 1)
        transfers = tuple(self._transfer(move) for move in moves)
        tx = Tx(
            "0x" + self.random.randbytes(32).hex(), at, len(self.transactions[at]), signer, to,
            value, data, nonce, transfers + logs, creates,
        )  # fmt: skip
        self.transactions[at].append(tx)
        self.by_hash[tx.hash] = tx
        return tx

    def _pay(self, address: str, wei: int, block: int) -> None:
        if wei:
            self.coins[address].add(block, wei)
            assert self.coins[address].now >= 0, "more coins than it has"

    def _transfer(self, move: Move) -> Log:
        sender, recipient, amount = move
        topics = (TRANSFER, "0x" + word(sender), "0x" + word(recipient))
        return self.token, topics, "0x" + word(amount)

    def held(self, address: str) -> int:
        """Return the tokens of an address at the end of the world."""
        return self.tokens[address].now if address in self.tokens else 0

    @property
    def supply(self) -> int:
        """What was minted less what was burned."""
        return -self.tokens[ZERO].now

    @staticmethod
    def time_of(block: int) -> int:
        """Return the UNIX seconds of a block."""
        return _GENESIS + block * BLOCK_SECONDS
