"""Tell which addresses had been used by a block: had coins, had sent a transaction, or had code.

An address that has been used stays so, which is what a search by bisection needs. Its balance alone
is not enough: a wallet may have been emptied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from compute.chain.accounts import Accounts, Probe
from compute.chain.multicall import Multicall
from compute.chain.programs import COINS, USED, Program
from compute.chain.rejections import RpcError
from compute.chain.witness import find_witness, missing_state


@dataclass(slots=True)
class Usage:
    """Query many addresses at many blocks: one call per block where a provider runs programs."""

    accounts: Accounts
    multicall: Multicall
    supported: bool
    """Whether the provider runs programs."""

    def cost(self, addresses: int) -> int:
        """Return the calls that asking for so many addresses at one block takes, at most."""
        return (
            -(-addresses // self.multicall.limits.most(USED)) if self.supported else 2 * addresses
        )

    def is_certain(self, block: int) -> bool:
        """Return False for a block at which an address that has no coins may have been used."""
        return not self.supported or block > self.multicall.limits.old_until

    async def learn(self, last: int) -> None:
        """Find out how to recognise an endpoint without old states, if that is not known yet."""
        limits = self.multicall.limits
        if self.supported and limits.witness is None:
            limits.witness = await find_witness(self.accounts.calls, last)

    async def at(self, probes: Sequence[Probe]) -> list[list[bool]]:
        """Return for each block which of its addresses had been used.

        At a block that is not `is_certain`, addresses without coins count as not used.

        Raises:
            RpcError: no endpoint has the state of one of the blocks.
            Unreachable: no endpoint responds.
        """
        found = await self._by_programs(probes) if self.supported else {}
        missing = [number for number in range(len(probes)) if number not in found]
        exact = await self.exactly([probes[number] for number in missing])
        found.update(zip(missing, exact, strict=True))
        return [found[number] for number in range(len(probes))]

    async def exactly(self, probes: Sequence[Probe]) -> list[list[bool]]:
        """Return the same with two calls per address at most, certain at every block."""
        flat = [(address, block) for block, addresses in probes for address in addresses]
        coins = await self._numbers("eth_getBalance", flat)
        empty = [each for each in flat if not coins[each]]
        sent = await self._numbers("eth_getTransactionCount", empty)
        return [
            [bool(coins[each, block] or sent[each, block]) for each in addresses]
            for block, addresses in probes
        ]

    async def _numbers(
        self, method: str, states: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        calls = [(method, (address, hex(block))) for address, block in states]
        results = await self.accounts.calls.batch(calls)
        for result in results:
            if isinstance(result, RpcError):
                raise result
        return {state: int(each, 16) for state, each in zip(states, results, strict=True)}

    async def _by_programs(self, probes: Sequence[Probe]) -> dict[int, list[bool]]:
        """Return what the programs tell, by the number of the probe."""
        limits = self.multicall.limits
        found = await self._run(USED, probes, [n for n, p in enumerate(probes) if self._is_new(p)])
        others = [number for number in range(len(probes)) if number not in found]
        by_coins = await self._run(COINS, probes, others)
        limits.old_until = max((limits.old_until, *(probes[number][0] for number in by_coins)))
        return found | by_coins

    def _is_new(self, probe: Probe) -> bool:
        return probe[0] > self.multicall.limits.old_until

    async def _run(
        self, program: Program, probes: Sequence[Probe], numbers: Sequence[int]
    ) -> dict[int, list[bool]]:
        witness = self.multicall.limits.witness
        last = b"" if witness is None else bytes.fromhex(witness.account[2:])
        requests = []
        for block, addresses in (probes[number] for number in numbers):
            items = [bytes.fromhex(each[2:]) for each in addresses]
            seen = program is USED and witness is not None and block >= witness.block
            requests.append((block, [*items, last] if seen else items))
        results = zip(numbers, await self.multicall.run(program, requests, last), strict=True)
        found = {
            number: [any(record) for record in records]
            for number, records in results
            if not isinstance(records, RpcError)
        }
        for number, used in found.items():
            if len(used) > len(probes[number][1]) and not used.pop():
                raise missing_state(probes[number][0])
        return found
