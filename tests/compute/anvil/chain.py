"""Run a simulated token on a real EVM: anvil on a free port."""

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.chain import SUPPLY, TokenSimulation
from deploy.local.ports import unused_ports
from tests.compute.simulated_token import SimulatedToken, simulated_token
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".local" / "anvil"
BYTECODE = json.loads((Path(__file__).parent / "token.json").read_text())["bytecode"]
TRANSFER = "0xa9059cbb"
IN_A_BLOCK = 7


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

    async def send(self, **transaction: Any) -> str:
        """Queue a transaction; a block includes its transactions in the order they were sent."""
        sender = transaction["from"]
        self.nonces[sender] += 1
        nonce = hex(self.nonces[sender] - 1)
        fields = {"gas": hex(100_000), "gasPrice": "0x0", "nonce": nonce, **transaction}
        return str(await self.call("eth_sendTransaction", fields))

    async def receipt(self, name: str) -> Mapping[str, Any]:
        async def mined() -> Any:
            return await self.call("eth_getTransactionReceipt", name)

        receipt: Mapping[str, Any] = await eventually(mined)
        return receipt

    async def play(self, simulated: TokenSimulation) -> None:
        """Send the token's transfers and first payments, in their order, as real transactions.

        A transaction that fails leaves other balances, which the test detects.
        """
        for name in simulated.contracts:
            await self.call("anvil_setCode", name, "0x00")
        paid = sorted(
            ((f.block, name, f.funder) for name, f in simulated.funders.items() if f is not None),
            key=lambda each: each[:2],
        )
        for funder in {funder for _, _, funder in paid}:
            await self.call("anvil_setBalance", funder, hex(10**18))
        code = f"{BYTECODE}{SUPPLY:064x}"
        name = await self.send(**{"from": simulated.deployer, "data": code, "gas": hex(3_000_000)})
        await self.call("evm_mine")
        self.token = (await self.receipt(name))["contractAddress"]
        for number, row in enumerate(simulated.rows[1:], start=1):
            while paid and paid[0][0] <= row.block:
                _, name, funder = paid.pop(0)
                await self.send(**{"from": funder, "to": name, "value": "0x1"})
            data = f"{TRANSFER}{row.recipient[2:]:0>64}{row.value:064x}"
            await self.send(**{"from": row.sender, "to": self.token, "data": data})
            if number % IN_A_BLOCK == 0:
                await self.call("evm_mine")
        await self.call("evm_mine")


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
