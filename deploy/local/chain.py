"""A chain of our own, without a network: JSON-RPC about a generated world, well or ill behaved.

    python -m deploy.local.chain --port 8545

Beside the standard's methods it knows `local_mine [blocks]`, `local_reorg [depth]` and
`local_misbehave [style]`, with the styles of `STYLES`: what providers in the world are seen to do.
"""

import argparse
import bisect
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from compute.transfers import Row
from deploy.local.settings import CHAIN_ID, HOST
from deploy.local.world import SUPPLY, TOKEN, World, plant

TRANSFER: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TOO_MANY_RESULTS: Final = 10_000
NAME, SYMBOL, DECIMALS = "0x06fdde03", "0x95d89b41", "0x313ce567"
TOTAL_SUPPLY, BALANCE_OF = "0x18160ddd", "0x70a08231"
COIN: Final = 10**18
BLOCK_SECONDS: Final = 12
_GENESIS: Final = 1_700_000_000

Answer = Any
Params = list[Any]


class Refused(Exception):
    """The provider answers with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class Refusals:
    """What one style refuses, and in which words. `results` and `blocks` are its limits."""

    words: Callable[[int, int, int], tuple[int, str]]
    results: int | None = None
    blocks: int | None = None

    def check(self, at: int, to: int, count: int) -> None:
        too_wide = self.blocks is not None and to - at + 1 > self.blocks
        too_many = self.results is not None and count > self.results
        if too_wide or too_many:
            raise Refused(*self.words(at, to, max(at, (at + to) // 2)))


def _range(limit: int, code: int, words: str) -> Refusals:
    return Refusals(lambda at, to, _: (code, words.format(asked=to - at + 1)), blocks=limit)


STYLES: Final[Mapping[str, Refusals]] = {
    "infura": Refusals(
        lambda at, _, half: (
            -32005,
            (
                "query returned more than 10000 results. Try with this block range "
                f"[{hex(at)}, {hex(half)}]."
            ),
        ),
        results=TOO_MANY_RESULTS,
    ),
    "infura-range": _range(10_000, -32602, "range {asked} exceeds limit of 10000"),
    "alchemy": Refusals(
        lambda at, _, half: (
            -32602,
            (
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2K "
                "block range and no limit on the response size, or you can request any block range "
                "with a cap of 10K logs in the response. Based on your parameters, this block "
                "range should "
                f"work: [{hex(at)}, {hex(half)}]"
            ),
        ),
        results=TOO_MANY_RESULTS,
    ),
    "reth": Refusals(
        lambda at, to, _: (
            -32602,
            f"query exceeds max results 20000, retry with the range {at}-{to}",
        ),
        results=20_000,
    ),
    "quicknode": _range(10_000, -32614, "eth_getLogs is limited to a 10,000 range"),
    "quicknode-free": _range(5, -32615, "eth_getLogs is limited to a 5 range"),
    "range-1000": _range(1_000, -32000, "block range is too wide, maximum is set to 1000"),
    "range-1024": _range(1_024, -32000, "exceed maximum block range: 1024"),
    "range-2000": _range(2_000, -32000, "block range too large"),
    "range-3000": _range(3_000, -32701, "Please limit the query to at most 3000 blocks"),
    "results-1000": Refusals(lambda *_: (-32000, "too many logs"), results=1_000),
    "timeout": Refusals(lambda *_: (-32000, "query timeout exceeded"), blocks=700),
}


@dataclass(slots=True)
class History:
    """A number that changes with the blocks."""

    blocks: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def add(self, block: int, change: int) -> None:
        now = (self.values[-1] if self.values else 0) + change
        if self.blocks and self.blocks[-1] == block:
            self.values[-1] = now
        else:
            self.blocks.append(block)
            self.values.append(now)

    def at(self, block: int) -> int:
        place = bisect.bisect_right(self.blocks, block)
        return self.values[place - 1] if place else 0


@dataclass
class LocalChain:
    """The world as blocks, and a node's answers about them."""

    world: World
    head: int = 0
    chain_id: int = CHAIN_ID
    results: int | None = None
    """A cap that the style's own is replaced by."""
    archive: bool = True
    truncates: int | None = None
    """Sends so many logs at most, and does not say so."""
    lagging: int = 0
    """So many blocks behind everybody else."""
    style: str = ""
    branch: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    gap: int = 0
    """Empty blocks in front of every transfer."""
    _branched_at: int = 0
    _transactions: dict[int, list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _logs: list[dict[str, Any]] = field(default_factory=list)
    _log_blocks: list[int] = field(default_factory=list)
    _tokens: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    _coins: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    _taken: int = 0

    def __post_init__(self) -> None:
        for name, funding in self.world.funders.items():
            if funding is None:
                self._coins[name].add(0, COIN)
        self.take()

    def take(self) -> None:
        """Put what is new in the world into blocks."""
        funded = sorted(
            ((f.block, name, f) for name, f in self.world.funders.items() if f is not None),
            key=lambda each: each[:2],
        )
        for block, name, funding in funded:
            if not self._coins[name].blocks:
                at = self._place(block)
                self._transactions[at].append(_paid(funding.tx_hash, funding.funder, name))
                self._coins[name].add(at, COIN)
        for row in self.world.rows[self._taken :]:
            self._move(row)
        self._taken = len(self.world.rows)
        self.head = max(self.head, self._place(self.world.block - 1))

    def _place(self, block: int) -> int:
        return block * (1 + self.gap)

    def _move(self, row: Row) -> None:
        at = self._place(row.block)
        creates = TOKEN if row.block == 1 else None
        # nobody can send from the address that the first coins come from
        sender = self.world.deployer if creates else row.sender
        self._transactions[at].append(_called(row.tx_hash, sender, creates))
        here = sum(known == at for known in self._log_blocks[-500:])
        self._logs.append(_log(at, here, row))
        self._log_blocks.append(at)
        self._tokens[row.sender].add(at, -row.value)
        self._tokens[row.recipient].add(at, row.value)

    def mine(self, blocks: int) -> None:
        """Empty blocks at the end."""
        self.head += blocks

    def reorganise(self, depth: int) -> None:
        """The last blocks become others with the same transactions."""
        self.branch += 1
        self._branched_at = self.head - depth

    # A node's answers

    def answer(self, method: str, params: Params) -> Answer:
        self.asked[method] += 1
        known: dict[str, Callable[..., Answer]] = {
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_blockNumber": lambda: hex(self._seen),
            "eth_getBlockByNumber": self._block,
            "eth_getLogs": self._get_logs,
            "eth_getCode": self._code,
            "eth_getBalance": lambda name, tag: hex(self._coins[name.lower()].at(self._old(tag))),
            "eth_getTransactionCount": lambda _name, tag: hex(0 * self._old(tag)),
            "eth_call": self._call,
            "eth_getBlockReceipts": lambda tag: self._receipts(self._number(tag)),
            "eth_getTransactionReceipt": self._receipt,
            "local_mine": self.mine,
            "local_reorg": self.reorganise,
            "local_misbehave": self.misbehave,
        }
        if method not in known:
            raise Refused(-32601, f"the method {method} does not exist")
        return known[method](*params)

    def misbehave(self, style: str) -> None:
        if style and style not in STYLES:
            raise Refused(-32602, f"style is one of {', '.join(STYLES)}, or nothing")
        self.style = style

    @property
    def _seen(self) -> int:
        return self.head - self.lagging

    def _number(self, tag: str) -> int:
        return self._seen if tag in ("latest", "finalized", "safe", "pending") else int(tag, 16)

    def _old(self, tag: str) -> int:
        """The block of a state, if it is kept."""
        number = self._number(tag)
        if not self.archive and number < self._seen - 128:
            raise Refused(-32000, "missing trie node: state is not available")
        return number

    def _hash(self, number: int) -> str:
        branch = self.branch if number > self._branched_at else 0
        text = f"{self.world.seed}/{number}/{branch}"
        return "0x" + hashlib.sha256(text.encode()).hexdigest()

    def _block(self, tag: str, whole: bool = False) -> Answer:  # noqa: FBT001, FBT002  as the standard has it
        number = self._number(tag)
        if number > self._seen:
            return None
        made = self._transactions.get(number, [])
        return {
            "number": hex(number),
            "hash": self._hash(number),
            "timestamp": hex(_GENESIS + number * BLOCK_SECONDS),
            "transactions": [self._numbered(t, number) for t in made]
            if whole
            else [t["hash"] for t in made],
        }

    def _numbered(self, transaction: dict[str, Any], number: int) -> dict[str, Any]:
        return transaction | {"blockNumber": hex(number), "blockHash": self._hash(number)}

    def _between(self, at: int, to: int) -> list[dict[str, Any]]:
        first = bisect.bisect_left(self._log_blocks, at)
        last = bisect.bisect_right(self._log_blocks, min(to, self._seen))
        return [each | {"blockHash": self._hash(int(each["blockNumber"], 16))}
                for each in self._logs[first:last]]  # fmt: skip

    def _get_logs(self, query: dict[str, Any]) -> Answer:
        at, to = self._number(query["fromBlock"]), self._number(query["toBlock"])
        if at > self._seen:
            raise Refused(-32602, "invalid block range")
        found = self._between(at, to) if query["address"].lower() == TOKEN else []
        if self.style:
            style = STYLES[self.style]
            limit = style.results if self.results is None else self.results
            Refusals(style.words, limit, style.blocks).check(at, to, len(found))
        return found[: self.truncates]

    def _code(self, name: str, tag: str) -> Answer:
        number = self._old(tag)
        if name.lower() == TOKEN:
            return "0x6001" if number >= self._place(1) else "0x"
        return "0x6002" if name.lower() in self.world.contracts else "0x"

    def _call(self, call: dict[str, str], tag: str) -> Answer:
        number, data = self._old(tag), call["data"]
        if call["to"].lower() != TOKEN:
            raise Refused(3, "execution reverted")
        if data.startswith(BALANCE_OF):
            return _word(max(0, self._tokens["0x" + data[-40:]].at(number)))
        said = {
            TOTAL_SUPPLY: _word(SUPPLY),
            NAME: _text("Demo Token"),
            SYMBOL: _text("DEMO"),
            DECIMALS: _word(18),
        }
        return said.get(data, "0x")

    def _receipts(self, number: int) -> Answer:
        made = self._transactions.get(number, [])
        logs = self._between(number, number)
        return [
            self._numbered(
                {
                    "transactionHash": each["hash"],
                    "contractAddress": each["creates"],
                    "logs": [one for one in logs if one["transactionHash"] == each["hash"]],
                },
                number,
            )
            for each in made
        ]

    def _receipt(self, name: str) -> Answer:
        for number, made in self._transactions.items():
            if any(each["hash"] == name for each in made):
                return next(r for r in self._receipts(number) if r["transactionHash"] == name)
        return None


def _paid(name: str, sender: str, recipient: str) -> dict[str, Any]:
    return {"hash": name, "from": sender, "to": recipient, "value": hex(COIN), "creates": None}


def _called(name: str, sender: str, creates: str | None) -> dict[str, Any]:
    to = None if creates else TOKEN
    return {"hash": name, "from": sender, "to": to, "value": "0x0", "creates": creates}


def _log(block: int, index: int, row: Row) -> dict[str, Any]:
    ends = [f"0x{name[2:]:0>64}" for name in (row.sender, row.recipient)]
    return {
        "address": TOKEN,
        "topics": [TRANSFER, *ends],
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


def application(chain: LocalChain) -> web.Application:
    """The chain behind HTTP: one call or a batch."""

    def row(call: dict[str, Any]) -> dict[str, Any]:
        head = {"jsonrpc": "2.0", "id": call.get("id")}
        try:
            return head | {"result": chain.answer(call["method"], call.get("params", []))}
        except Refused as refusal:
            return head | {"error": {"code": refusal.code, "message": refusal.message}}
        except (TypeError, KeyError, ValueError) as error:
            return head | {"error": {"code": -32602, "message": f"invalid params: {error}"}}

    async def rpc(request: web.Request) -> web.Response:
        asked = await request.json()
        told = [row(call) for call in asked] if isinstance(asked, list) else row(asked)
        return web.json_response(told)

    made = web.Application(client_max_size=2**24)
    made.router.add_post("/", rpc)

    async def healthy(_request: web.Request) -> web.Response:
        return web.Response(text=json.dumps({"head": chain.head}))

    made.router.add_get("/healthz", healthy)
    return made


def demo_chain() -> LocalChain:
    """The world of the demo: the same every time."""
    world = World(seed=2_026)
    plant(world, scale=2)
    return LocalChain(world)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.chain")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=HOST)
    arguments = parser.parse_args()
    chain = demo_chain()
    print(f"chain {CHAIN_ID} at block {chain.head}; the demo token is {TOKEN}", flush=True)
    web.run_app(application(chain), host=arguments.host, port=arguments.port, print=None)


if __name__ == "__main__":
    main()
