"""Simulate a node that knows the first payments of many addresses, and count the calls to it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from compute.chain.programs import CODES, COINS, FUNCTIONS, USED, Program
from compute.chain.rejections import RpcError
from compute.chain.rpc import Call
from deploy.local.chain.simulation import hash_of

BLOCK_SECONDS = 12
COIN = 10**18
BUSY, BUSY_NONCE = "0x" + "b0" * 20, 10**6
NO_LOGS = {"status": "0x1", "from": "0x00", "to": "0x00", "logs": ()}


@dataclass
class Wallet:
    """The history of one address; from its first payment until `emptied` it has one coin."""

    funder: str
    block: int
    emptied: int | None = None
    """Block in which it sent all it had away."""
    refilled: int | None = None
    """Block in which it received a coin again, from another address."""
    via: str | None = None
    """The contract through which it was paid."""

    def coins(self, block: int) -> int:
        if block < self.block:
            return 0
        if self.emptied is None or block < self.emptied:
            return COIN
        return COIN if self.refilled is not None and block >= self.refilled else 0

    def nonce(self, block: int) -> int:
        return int(self.emptied is not None and block >= self.emptied)


@dataclass
class SimulatedNode:
    """Answer calls in place of an `RpcClient`, as one of several kinds of provider."""

    wallets: Mapping[str, Wallet]
    head: int
    chain_id: int = 1
    runs_programs: bool = True
    archive: bool = True
    zeros_before: int = 0
    """Blocks before this one seem to have no accounts at all: the node has dropped their state."""
    most_items: int = 10_000
    """Items of a program above which the call fails, as if it took too much gas."""
    done_items: int = 10_000
    """Items of a program that are finished in one call."""
    hashes_from: int = 0
    """The first block whose EVM knows the hash of an account's code."""
    others: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """More transactions, by block."""
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _payments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _first: dict[bytes, int] = field(init=False)

    def __post_init__(self) -> None:
        self._first = {bytes.fromhex(a[2:]): w.block for a, w in self.wallets.items()}
        self._first[bytes.fromhex(BUSY[2:])] = 0
        for address, wallet in self.wallets.items():
            self._payments.setdefault(wallet.block, []).append(_payment(address, wallet))

    async def batch(self, calls: Sequence[Call], **_: Any) -> list[Any]:
        return [self._answer(method, params) for method, params in calls]

    def _answer(self, method: str, params: Any) -> Any:
        self.calls[method] += 1
        answers: dict[str, Callable[[], Any]] = {
            "eth_call": lambda: self._call(params[0], int(params[1], 16)),
            "eth_getBalance": lambda: self._number(self._coins, *params),
            "eth_getTransactionCount": lambda: self._number(self._nonce, *params),
            "eth_getCode": lambda: "0x",
            "eth_getBlockByNumber": lambda: self._block(int(params[0], 16)),
            "eth_getTransactionReceipt": lambda: self.receipts.get(params[0], NO_LOGS),
            "eth_getBlockReceipts": lambda: self._receipts(int(params[0], 16)),
        }
        return answers[method]()

    def _number(self, of: Callable[[str, int], int], address: str, tag: str) -> Any:
        return self._state(tag) or hex(of(address, int(tag, 16)))

    def _receipts(self, number: int) -> list[dict[str, Any]]:
        return [each for each in self.receipts.values() if each.get("block") == number]

    def _state(self, tag: str) -> RpcError | None:
        if self.archive or int(tag, 16) > self.head - 128:
            return None
        return RpcError(-32000, "missing trie node: state is not available")

    def _call(self, call: Mapping[str, str], block: int) -> Any:
        if "to" in call:
            return f"0x{0:064x}"
        if not self.runs_programs:
            return RpcError(-32602, "invalid params: missing field `to`")
        if (missing := self._state(hex(block))) is not None:
            return missing
        data = bytes.fromhex(call["data"][2:])
        program = next(p for p in (COINS, USED, CODES, FUNCTIONS) if data.startswith(p.code))
        items = data[len(program.code) :]
        rows = [items[at : at + program.item] for at in range(0, len(items), program.item)]
        if len(rows) > self.most_items:
            return RpcError(-32000, "out of gas")
        if program is not COINS and block < self.hashes_from:
            return RpcError(-32000, "invalid opcode: EXTCODEHASH")
        rows = rows[: self.done_items]
        if program is USED:
            first = self._first
            kept = block >= self.zeros_before
            records = bytes(kept and first.get(row, self.head + 1) <= block for row in rows)
        else:
            records = b"".join(self._record(program, row, block) for row in rows)
        return "0x" + len(rows).to_bytes(4, "big").hex() + records.hex()

    def _record(self, program: Program, item: bytes, block: int) -> bytes:
        if program is COINS:
            return self._coins("0x" + item.hex(), block).to_bytes(32, "big")
        return bytes(4) if program is CODES else (33).to_bytes(2, "big") + bytes(32)

    def _coins(self, address: str, block: int) -> int:
        wallet = self.wallets.get(address)
        return 0 if wallet is None or block < self.zeros_before else wallet.coins(block)

    def _nonce(self, address: str, block: int) -> int:
        if block < self.zeros_before:
            return 0
        wallet = self.wallets.get(address)
        return BUSY_NONCE * (address == BUSY) if wallet is None else wallet.nonce(block)

    def _block(self, number: int) -> dict[str, Any]:
        return {
            "number": hex(number),
            "timestamp": hex(number * BLOCK_SECONDS),
            "transactions": [
                BUSY_TRANSACTION,
                *self.others.get(number, []),
                *self._payments.get(number, []),
            ],
        }


BUSY_TRANSACTION = {
    "hash": hash_of(1), "from": BUSY, "to": BUSY, "value": "0x0", "input": "0x",
    "nonce": hex(BUSY_NONCE),
}  # fmt: skip
"""A transaction that every block has, of an account that has sent very many."""


def _payment(address: str, wallet: Wallet) -> dict[str, Any]:
    named = "0x" + address[2:].rjust(64, "0")
    return {
        "hash": hash_of(int(address, 16) % 2**200),
        "from": wallet.funder,
        "to": wallet.via or address,
        "value": hex(COIN),
        "input": named if wallet.via else "0x",
    }


def launch(holders: int, seed: int, *, blocks: int = 23_000_000) -> dict[str, Wallet]:
    """Return wallets of a launch in order of importance.

    Seven of ten were funded within days of the launch, some of them in bundles, and three of ten
    at any time in the years before.
    """
    random = Random(seed)
    launched = blocks - 200_000
    wallets: dict[str, Wallet] = {}
    while len(wallets) < holders:
        if random.random() < 0.7:
            block = launched + int(random.gauss(0, 7_200))
            size = random.choice((1, 1, 1, 1, 1, 10))
        else:
            block, size = random.randrange(1, launched), 1
        funder = _address(random)
        for _ in range(size):
            wallets[_address(random)] = Wallet(funder, block + random.randrange(size))
    names = list(wallets)[:holders]
    random.shuffle(names)
    return {name: wallets[name] for name in names}


def _address(random: Random) -> str:
    return f"0x{random.getrandbits(160):040x}"
