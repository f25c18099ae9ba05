"""Read code, balances and use of accounts: many in one call where a provider runs programs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak

from compute.chain.calls import Calls
from compute.chain.multicall import Multicall, MulticallLimits
from compute.chain.programs import CODES, COINS, FUNCTIONS, function_item
from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient
from compute.chain.token import BALANCE_OF, address_word, number
from compute.chain_facts import CODE_START_BYTES, Address, Code

NO_CODE: Final = Code(0, "0x" + keccak(b"").hex(), b"")
_SIZE_BYTES: Final = 4
_HASH_END: Final = 36

Probe = tuple[int, Sequence[Address]]
"""A block, and the addresses whose state at that block is asked for."""


@dataclass(slots=True)
class Accounts:
    """Query accounts; every method leaves out what the budget does not allow."""

    calls: Calls
    multicall: Multicall

    @classmethod
    def unlimited(cls, rpc: RpcClient, limits: MulticallLimits) -> "Accounts":
        """Query accounts without a budget of calls."""
        calls = Calls(rpc, sys.maxsize)
        return cls(calls, Multicall(calls, limits))

    async def codes(self, addresses: Sequence[Address], block: int) -> dict[Address, Code]:
        """Return the code of each address."""
        if addresses and await self.multicall.supported(block):
            (records,) = await self.multicall.run(CODES, [(block, _items(addresses))])
            if not isinstance(records, RpcError):
                return dict(zip(addresses, map(_code, records), strict=True))
        results = await self._plain("eth_getCode", addresses, block)
        return {a: _hashed(code) for a, code in results.items() if isinstance(code, str)}

    async def call(
        self, targets: Sequence[tuple[Address, bytes]], block: int
    ) -> list[bytes | None]:
        """Return what each function returned; None if it failed or was not asked."""
        if targets and await self.multicall.supported(block):
            items = [function_item(target, data) for target, data in targets]
            (records,) = await self.multicall.run(FUNCTIONS, [(block, items)])
            if not isinstance(records, RpcError):
                return [record[2:] if any(record[:2]) else None for record in records]
        calls = [
            ("eth_call", ({"to": target, "data": "0x" + data.hex()}, hex(block)))
            for target, data in self.calls.affordable(targets)
        ]
        results = [_bytes(each) for each in await self.calls.batch(calls)]
        return [*results, *[None] * (len(targets) - len(results))]

    async def balances(
        self, token: Address, holders: Sequence[Address], block: int
    ) -> dict[Address, int | None]:
        """Return `balanceOf` each holder; None if it is no number."""
        data = [bytes.fromhex(BALANCE_OF[2:] + address_word(each)) for each in holders]
        results = await self.call([(token, each) for each in data], block)
        numbers = [number("0x" + (each or b"").hex()) for each in results]
        return dict(zip(holders, numbers, strict=True))

    async def coins(self, addresses: Sequence[Address], block: int) -> dict[Address, int]:
        """Return the native balance of each address, in wei."""
        if await self.multicall.supported(block):
            (records,) = await self.multicall.run(COINS, [(block, _items(addresses))])
            if not isinstance(records, RpcError):
                numbers = [int.from_bytes(each, "big") for each in records]
                return dict(zip(addresses, numbers, strict=True))
        return await self._numbers("eth_getBalance", addresses, block)

    async def nonces(self, addresses: Sequence[Address], block: int) -> dict[Address, int]:
        """Return how many transactions each address has sent; an EVM program cannot read that."""
        return await self._numbers("eth_getTransactionCount", addresses, block)

    async def _numbers(
        self, method: str, addresses: Sequence[Address], block: int
    ) -> dict[Address, int]:
        results = await self._plain(method, addresses, block)
        return {a: int(each, 16) for a, each in results.items() if isinstance(each, str)}

    async def _plain(
        self, method: str, addresses: Sequence[Address], block: int
    ) -> dict[Address, Any]:
        asked = self.calls.affordable(addresses)
        results = await self.calls.batch([(method, (each, hex(block))) for each in asked])
        return dict(zip(asked, results, strict=True))


def _items(addresses: Sequence[Address]) -> list[bytes]:
    return [bytes.fromhex(each[2:]) for each in addresses]


def _code(record: bytes) -> Code:
    size = int.from_bytes(record[:_SIZE_BYTES], "big")
    if not size:
        return NO_CODE
    start = record[_HASH_END : _HASH_END + min(size, CODE_START_BYTES)]
    return Code(size, "0x" + record[_SIZE_BYTES:_HASH_END].hex(), start)


def _hashed(code: str) -> Code:
    raw = bytes.fromhex(code.removeprefix("0x"))
    return Code(len(raw), "0x" + keccak(raw).hex(), raw[:CODE_START_BYTES])


def _bytes(result: Any) -> bytes | None:
    return bytes.fromhex(result.removeprefix("0x")) if isinstance(result, str) else None
