"""Turn a simulated token into blocks and answer JSON-RPC calls about them like a node.

Besides the standard's methods it knows `local_mine [blocks]`, `local_reorg [depth]`, `local_grow`
and `local_misbehave [style]`, with the provider styles of `STYLES`.
"""

import bisect
import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from compute.transfers import TransferRow
from deploy.local.chain.growth import Growth
from deploy.local.chain.providers import STYLES, QueryLimit, RpcRejection
from deploy.local.chain.simulation import SUPPLY, TOKEN, TokenSimulation
from deploy.local.settings import CHAIN_ID

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NAME, SYMBOL, DECIMALS = "0x06fdde03", "0x95d89b41", "0x313ce567"
TOTAL_SUPPLY, BALANCE_OF = "0x18160ddd", "0x70a08231"
COIN: Final = 10**18
BLOCK_SECONDS: Final = 12
STATES_KEPT: Final = 128
"""Blocks of which a node that is not an archive keeps the state."""
_GENESIS: Final = 1_700_000_000

Params = list[Any]


@dataclass(slots=True)
class BalanceHistory:
    """Record a balance that changes with the blocks."""

    blocks: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def add(self, block: int, change: int) -> None:
        value = (self.values[-1] if self.values else 0) + change
        if self.blocks and self.blocks[-1] == block:
            self.values[-1] = value
        else:
            self.blocks.append(block)
            self.values.append(value)

    def at(self, block: int) -> int:
        index = bisect.bisect_right(self.blocks, block)
        return self.values[index - 1] if index else 0


@dataclass
class SimulatedChain:
    """Hold the blocks of a simulated token and answer calls about them."""

    simulation: TokenSimulation
    head: int = 0
    """Number of the newest block."""
    chain_id: int = CHAIN_ID
    results: int | None = None
    """Most logs per query, instead of the style's own limit."""
    archive: bool = True
    """False: old states are not kept."""
    truncates: int | None = None
    """Most logs that are returned, without an error about the rest."""
    lagging: int = 0
    """Blocks that this node is behind the others."""
    style: str = ""
    """Provider style of `STYLES`; empty: no limits."""
    branch: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    """Calls answered so far, by method."""
    name: str = "Demo Token"
    symbol: str = "DEMO"
    supply: int = SUPPLY
    """What the token returns as its total supply."""
    gap: int = 0
    """Empty blocks before each block of the simulation."""
    _branched_at: int = 0
    _transactions: dict[int, list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _blocks: dict[str, int] = field(default_factory=dict)
    """Block of each transaction, by its hash."""
    _logs: list[dict[str, Any]] = field(default_factory=list)
    _log_blocks: list[int] = field(default_factory=list)
    _digests: list[str] = field(default_factory=list)
    """By log: the digest of all transfers up to it."""
    _tokens: dict[str, BalanceHistory] = field(default_factory=lambda: defaultdict(BalanceHistory))
    _coins: dict[str, BalanceHistory] = field(default_factory=lambda: defaultdict(BalanceHistory))
    _nonces: dict[str, BalanceHistory] = field(default_factory=lambda: defaultdict(BalanceHistory))
    _sent: Counter[str] = field(default_factory=Counter)
    """Number of transactions by sender."""
    _growth: Growth = field(init=False)
    _included: int = 0
    """Rows of the simulation that are in blocks."""

    def __post_init__(self) -> None:
        self._growth = Growth(self.simulation)
        for address, funding in self.simulation.funders.items():
            if funding is None:
                self._coins[address].add(0, COIN)
        self.include_new()

    def include_new(self) -> None:
        """Put what is new in the simulation into blocks."""
        self._include_fundings()
        for row in self.simulation.rows[self._included :]:
            self._include(row)
        self._included = len(self.simulation.rows)
        self.head = max(self.head, self._number_of(self.simulation.block - 1))

    def _include_fundings(self) -> None:
        fundings = self.simulation.funders.items()
        funded = sorted((f.block, address, f) for address, f in fundings if f is not None)
        for block, address, funding in funded:
            if not self._coins[address].blocks:
                number = self._number_of(block)
                payment = _payment(funding.tx_hash, funding.funder, address)
                self._add(number, payment)
                self._coins[address].add(number, COIN)

    def _number_of(self, block: int) -> int:
        """Return the chain's number of a block of the simulation."""
        return block * (1 + self.gap)

    def _include(self, row: TransferRow) -> None:
        number = self._number_of(row.block)
        creates = TOKEN if row.block == 1 else None
        self._add(number, _contract_call(row.tx_hash, self._signer(row), creates))
        in_block = len(self._log_blocks) - bisect.bisect_left(self._log_blocks, number)
        self._logs.append(_log(number, in_block, row))
        self._log_blocks.append(number)
        before = self._digests[-1] if self._digests else ""
        self._digests.append(_digest(f"{before}{row.sender}{row.recipient}{row.value}"))
        self._tokens[row.sender].add(number, -row.value)
        self._tokens[row.recipient].add(number, row.value)

    def _add(self, number: int, item: dict[str, Any]) -> None:
        item["nonce"] = hex(self._sent[item["from"]])
        self._sent[item["from"]] += 1
        self._transactions[number].append(item)
        self._blocks.setdefault(item["hash"], number)
        self._nonces[item["from"]].add(number, 1)

    def _signer(self, row: TransferRow) -> str:
        """Return who signs a transfer: contracts do not, and the deployer mints."""
        if row.block == 1:
            return self.simulation.deployer
        return row.recipient if row.sender in self.simulation.contracts else row.sender

    def mine(self, blocks: int) -> None:
        """Append empty blocks."""
        self.head += blocks

    def grow(self) -> str | None:
        """Take the next step of the token's growth; return its name, or None at the end."""
        step = self._growth.grow()
        self.include_new()
        return step

    def reorganise(self, depth: int) -> None:
        """Replace the last `depth` blocks by others with the same transactions."""
        self.branch += 1
        self._branched_at = self.head - depth

    def misbehave(self, style: str) -> None:
        """Switch to a provider style; empty: no limits."""
        if style and style not in STYLES:
            raise RpcRejection(-32602, f"style must be empty or one of {', '.join(STYLES)}")
        self.style = style

    def answer(self, method: str, params: Params) -> Any:
        """Answer one JSON-RPC call.

        Raises:
            RpcRejection: the method is unknown, or the provider style rejects the call.
        """
        self.calls[method] += 1
        methods: dict[str, Any] = {
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_blockNumber": lambda: hex(self._newest),
            "eth_getBlockByNumber": self._block,
            "eth_getLogs": self._get_logs,
            "eth_getCode": self._code,
            "eth_getBalance": self._balance,
            "eth_getTransactionCount": self._nonce,
            "eth_call": self._call,
            "eth_getBlockReceipts": lambda tag: self._receipts(self._number(tag)),
            "eth_getTransactionReceipt": self._receipt,
            "local_mine": self.mine,
            "local_grow": self.grow,
            "local_reorg": self.reorganise,
            "local_misbehave": self.misbehave,
        }
        if method not in methods:
            raise RpcRejection(-32601, f"the method {method} does not exist")
        return methods[method](*params)

    @property
    def _newest(self) -> int:
        return self.head - self.lagging

    def _number(self, tag: str) -> int:
        return self._newest if tag in ("latest", "finalized", "safe", "pending") else int(tag, 16)

    def _state(self, tag: str) -> int:
        """Return the number of the block whose state is asked for, if that state is kept."""
        number = self._number(tag)
        if not self.archive and number < self._newest - STATES_KEPT:
            raise RpcRejection(-32000, "missing trie node: state is not available")
        return number

    def hash_of(self, number: int) -> str:
        """Return the hash of a block on the current branch; other transfers give another hash."""
        branch = self.branch if number > self._branched_at else 0
        logs = bisect.bisect_right(self._log_blocks, number)
        before = self._digests[logs - 1] if logs else ""
        return "0x" + _digest(f"{self.simulation.seed}/{number}/{branch}/{before}")

    def _block(self, tag: str, full: bool = False) -> Any:  # noqa: FBT001, FBT002  as the standard has it
        number = self._number(tag)
        if number > self._newest:
            return None
        transactions = self._transactions.get(number, [])
        return {
            "number": hex(number),
            "hash": self.hash_of(number),
            "timestamp": hex(_GENESIS + number * BLOCK_SECONDS),
            "transactions": [self._in_block(t, number) for t in transactions]
            if full
            else [t["hash"] for t in transactions],
        }

    def _in_block(self, item: dict[str, Any], number: int) -> dict[str, Any]:
        return item | {"blockNumber": hex(number), "blockHash": self.hash_of(number)}

    def _logs_between(self, at: int, to: int) -> list[dict[str, Any]]:
        first = bisect.bisect_left(self._log_blocks, at)
        last = bisect.bisect_right(self._log_blocks, min(to, self._newest))
        return [
            each | {"blockHash": self.hash_of(int(each["blockNumber"], 16))}
            for each in self._logs[first:last]
        ]

    def _get_logs(self, query: dict[str, Any]) -> Any:
        at, to = self._number(query["fromBlock"]), self._number(query["toBlock"])
        if at > self._newest:
            raise RpcRejection(-32602, "invalid block range")
        found = self._logs_between(at, to) if query["address"].lower() == TOKEN else []
        if self.style:
            style = STYLES[self.style]
            limit = style.results if self.results is None else self.results
            QueryLimit(style.error, limit, style.blocks).check(at, to, len(found))
        return found[: self.truncates]

    def _code(self, address: str, tag: str) -> str:
        number = self._state(tag)
        if address.lower() == TOKEN:
            return "0x6001" if number >= self._number_of(1) else "0x"
        return "0x6002" if address.lower() in self.simulation.contracts else "0x"

    def _balance(self, address: str, tag: str) -> str:
        return hex(self._coins[address.lower()].at(self._state(tag)))

    def _nonce(self, address: str, tag: str) -> str:
        return hex(self._nonces[address.lower()].at(self._state(tag)))

    def _call(self, call: dict[str, str], tag: str) -> str:
        number, data = self._state(tag), call["data"]
        if call.get("to", "").lower() != TOKEN:
            raise RpcRejection(3, "execution reverted")
        if data.startswith(BALANCE_OF):
            return _word(max(0, self._tokens["0x" + data[-40:]].at(number)))
        results = {
            TOTAL_SUPPLY: _word(self.supply),
            NAME: _text(self.name),
            SYMBOL: _text(self.symbol),
            DECIMALS: _word(18),
        }
        return results.get(data, "0x")

    def _receipts(self, number: int) -> list[dict[str, Any]]:
        logs = self._logs_between(number, number)
        return [
            self._in_block(
                {
                    "transactionHash": each["hash"],
                    "from": each["from"],
                    "to": each["to"],
                    "contractAddress": each["creates"],
                    "logs": [one for one in logs if one["transactionHash"] == each["hash"]],
                },
                number,
            )
            for each in self._transactions.get(number, [])
        ]

    def _receipt(self, tx_hash: str) -> Any:
        if (number := self._blocks.get(tx_hash)) is None:
            return None
        return next(r for r in self._receipts(number) if r["transactionHash"] == tx_hash)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _payment(tx_hash: str, sender: str, recipient: str) -> dict[str, Any]:
    return {"hash": tx_hash, "from": sender, "to": recipient, "value": hex(COIN), "creates": None}


def _contract_call(tx_hash: str, sender: str, creates: str | None) -> dict[str, Any]:
    to = None if creates else TOKEN
    return {"hash": tx_hash, "from": sender, "to": to, "value": "0x0", "creates": creates}


def _log(block: int, index: int, row: TransferRow) -> dict[str, Any]:
    topics = [f"0x{address[2:]:0>64}" for address in (row.sender, row.recipient)]
    return {
        "address": TOKEN,
        "topics": [TRANSFER, *topics],
        "data": _word(row.value),
        "blockNumber": hex(block),
        "logIndex": hex(index),
        "transactionHash": row.tx_hash,
        "removed": False,
    }


def _word(value: int) -> str:
    return f"0x{value:064x}"


def _text(text: str) -> str:
    raw = text.encode()
    return f"0x{32:064x}{len(raw):064x}{raw.hex().ljust(64, '0')}"
