"""Run a simulated token on a real EVM: anvil on a free port."""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from compute.transfers import TransferRow
from deploy.local.chain import SUPPLY, TokenSimulation
from deploy.local.ports import unused_ports
from tests.compute.anvil.contracts import POOL, TOKEN
from tests.compute.simulated_token import SimulatedToken, simulated_token
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".local" / "anvil"
IN_A_BLOCK = 7
IN_A_REQUEST = 100
COIN = 10**18
BLOCK_SECONDS = 12
WETH = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"


def program() -> str | None:
    """Return the path of anvil: on PATH, or where `make anvil` installed it."""
    return shutil.which("anvil") or next(map(str, KEPT.glob("node_modules/**/bin/anvil")), None)


@dataclass
class Anvil:
    """Run one chain."""

    chain_id: int
    session: aiohttp.ClientSession
    port: int = field(default_factory=lambda: unused_ports(1)[0])
    process: "subprocess.Popen[bytes] | None" = None
    token: str = ""
    nonces: Counter[str] = field(default_factory=Counter)
    _queued: list[Sequence[Any]] = field(default_factory=list)
    """Parameters of transactions that are sent with the next block."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        found = program()
        assert found is not None
        self.process = subprocess.Popen(  # noqa: S603  every argument is ours
            [
                found, "--host", "127.0.0.1", "--port", str(self.port),
                "--chain-id", str(self.chain_id), "--silent", "--slots-in-an-epoch", "1",
                "--timestamp", "1700000000", "--gas-price", "0", "--block-base-fee-per-gas", "0",
                "--auto-impersonate", "--order", "fifo", "--no-mining",
            ],
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    async def answers(self) -> bool:
        try:
            return bool(await self.call("eth_chainId"))
        except aiohttp.ClientError:
            return False

    async def call(self, method: str, *params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.url, json=body) as reply:
            response = await reply.json()
        assert "error" not in response, (method, response["error"])
        return response["result"]

    async def call_each(self, method: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Call a method with each of these parameters, a hundred in one request."""
        results = []
        for first in range(0, len(calls), IN_A_REQUEST):
            body = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, params in enumerate(calls[first : first + IN_A_REQUEST])
            ]
            async with self.session.post(self.url, json=body) as reply:
                responses = sorted(await reply.json(), key=lambda each: int(each["id"]))
            errors = [each["error"] for each in responses if "error" in each]
            assert not errors, (method, errors[0])
            results += [each["result"] for each in responses]
        return results

    def queue(self, **transaction: Any) -> None:
        """Send a transaction with the next block, which keeps the order of what was queued."""
        sender = transaction["from"]
        self.nonces[sender] += 1
        nonce = hex(self.nonces[sender] - 1)
        fields = {"gas": hex(100_000), "gasPrice": "0x0", "nonce": nonce, **transaction}
        self._queued.append([fields])

    async def send(self, **transaction: Any) -> str:
        """Send a transaction, and what was queued before it; return its hash."""
        self.queue(**transaction)
        return await self._flush()

    async def _flush(self) -> str:
        """Send what was queued; return the hash of the last transaction."""
        queued, self._queued = self._queued, []
        return str((await self.call_each("eth_sendTransaction", queued) or [""])[-1])

    async def receipt(self, name: str) -> Mapping[str, Any]:
        async def mined() -> Any:
            return await self.call("eth_getTransactionReceipt", name)

        receipt: Mapping[str, Any] = await eventually(mined)
        return receipt

    async def mine(self, blocks: int = 1) -> int:
        """Mine blocks, the first with all that was sent; return the number of the last one."""
        await self._flush()
        await self.call("anvil_mine", hex(blocks), hex(BLOCK_SECONDS))
        return int(await self.call("eth_blockNumber"), 16)

    async def failed(self) -> list[str]:
        """Return the hashes of all transactions that failed."""
        last = int(await self.call("eth_blockNumber"), 16)
        numbers = [[hex(number)] for number in range(last + 1)]
        blocks = await self.call_each("eth_getBlockReceipts", numbers)
        return [
            receipt["transactionHash"]
            for receipts in blocks
            for receipt in receipts
            if receipt["status"] != "0x1"
        ]

    async def endow(self, *addresses: str) -> None:
        """Give addresses coins as if they had had them since the genesis."""
        coins = hex(1_000 * COIN)
        await self.call_each("anvil_setBalance", [[name, coins] for name in addresses])

    async def create(self, creator: str, data: str) -> str:
        """Create a contract in a block of its own and return its address."""
        name = await self.send(**{"from": creator, "data": data, "gas": hex(3_000_000)})
        await self.mine()
        return str((await self.receipt(name))["contractAddress"]).lower()

    async def play(self, simulated: TokenSimulation) -> None:
        """Send the token's transfers and first payments, in their order, as real transactions.

        Holders sign what they send, and buyers what they buy from contracts. A transaction that
        fails leaves other balances, which the test detects.
        """
        first = FirstPayments(simulated)
        await self.endow(simulated.deployer, *first.endowed)
        self.token = await self.create(simulated.deployer, TOKEN.creation(SUPPLY))
        pool = await self.create(simulated.deployer, POOL.creation(self.token, WETH))
        code = await self.call("eth_getCode", pool, "latest")
        await self.call_each("anvil_setCode", [[name, code] for name in simulated.contracts])
        for number, row in enumerate(simulated.rows[1:], start=1):
            for payment in first.until(row.block):
                if payment["from"] in first.unmined:  # what was just paid can be spent next
                    await self.mine()
                    first.unmined.clear()
                first.unmined.add(payment["to"])
                self.queue(**payment)
            self.queue(**self._signed(row, simulated))
            if number % IN_A_BLOCK == 0:
                await self.mine()
                first.unmined.clear()
        await self.mine()

    def _signed(self, row: TransferRow, simulated: TokenSimulation) -> Mapping[str, str]:
        """Return a transaction that moves the tokens, signed by who has a reason to."""
        if row.sender not in simulated.contracts:
            data = TOKEN.call("transfer", row.recipient, row.value)
            return {"from": row.sender, "to": self.token, "data": data}
        buyer = simulated.deployer if row.recipient in simulated.contracts else row.recipient
        data = POOL.call("buy", row.recipient, row.value)
        return {"from": buyer, "to": row.sender, "data": data}


class FirstPayments:
    """List the first payments of a simulation; who funds others gets enough for that."""

    def __init__(self, simulated: TokenSimulation) -> None:
        """Sort the payments by their block."""
        funded = {name: each for name, each in simulated.funders.items() if each is not None}
        self._funds = Counter(each.funder for each in funded.values())
        self._left = sorted(
            ((each.block, name, each.funder) for name, each in funded.items()),
            key=lambda each: each[0],
        )
        self.endowed = sorted(self._funds.keys() - funded.keys())
        self.unmined = set[str]()
        """Wallets that were paid since the last block."""

    def until(self, block: int) -> Iterator[dict[str, str]]:
        """Take the payments up to a block, in their order."""
        while self._left and self._left[0][0] <= block:
            _, name, funder = self._left.pop(0)
            value = (1 + self._funds[name]) * COIN // 20
            yield {"from": funder, "to": name, "value": hex(value)}


def real_token(seed: int) -> SimulatedToken:
    """Return a simulated token with enough stray payments for two thousand transfers."""
    simulated = simulated_token(seed, scale=2)
    holders = sorted(
        name
        for name, amount in simulated.balances().items()
        if amount > SUPPLY // 100_000 and name not in simulated.contracts | simulated.exchanges
    )
    unrelated = [name for name in holders if not any(name in group for group in simulated.owners)]
    simulated.stray_payments(unrelated, max(0, 2_010 - len(simulated.rows)))
    return simulated
