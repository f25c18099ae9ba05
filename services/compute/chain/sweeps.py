"""Find the last native payment that an address sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compute.chain.accounts import Accounts
from compute.chain.payments import BLOCKS
from compute.chain.rejections import RpcError
from compute.chain_facts import Address, Sweep

_NEVER: Final[Mapping[Address, int]] = {}


@dataclass(slots=True)
class Sweeps:
    """Search for the block of each address's last transaction; a call per address and step."""

    accounts: Accounts
    last: int
    """The last block to consider."""

    async def find(
        self, addresses: Sequence[Address], used_from: Mapping[Address, int] = _NEVER
    ) -> dict[Address, Sweep | None]:
        """Return the last transaction of each address if it is a payment of coins, else None.

        `used_from` has blocks before which an address had sent nothing, as far as they are known.

        Addresses for which the budget does not suffice are left out.

        Raises:
            RpcError: no endpoint keeps the old states.
            Unreachable: no endpoint responds.
        """
        steps = self.last.bit_length() + 3
        asked = self.accounts.calls.affordable(addresses, steps)
        sent = await self.accounts.nonces(asked, self.last)
        found: dict[Address, Sweep | None] = {
            each: None for each, nonce in sent.items() if not nonce
        }
        blocks = await self._last_blocks(
            {each: nonce for each, nonce in sent.items() if nonce}, used_from
        )
        payments = await self._payments(blocks, sent)
        coins = await self._remaining({each: blocks[each] for each in payments})
        sweeps = {
            each: _sweep(item, blocks[each], coins[each])
            for each, item in payments.items()
            if each in coins
        }
        return found | dict.fromkeys(blocks) | sweeps

    async def _last_blocks(
        self, sent: Mapping[Address, int], used_from: Mapping[Address, int]
    ) -> dict[Address, int]:
        """Return the first block in which each address had sent all its transactions."""
        low = {each: min(used_from.get(each, 0), self.last) for each in sent}
        high = dict.fromkeys(sent, self.last)
        while searching := [each for each in sent if low[each] < high[each]]:
            middle = {each: (low[each] + high[each]) // 2 for each in searching}
            nonces = await self._at("eth_getTransactionCount", middle)
            for each in searching:
                if nonces[each] >= sent[each]:
                    high[each] = middle[each]
                else:
                    low[each] = middle[each] + 1
        return low

    async def _at(self, method: str, blocks: Mapping[Address, int]) -> dict[Address, int]:
        calls = [(method, (address, hex(block))) for address, block in blocks.items()]
        results = await self.accounts.calls.batch(calls)
        for result in results:
            if isinstance(result, RpcError):
                raise result
        return {each: int(result, 16) for each, result in zip(blocks, results, strict=True)}

    async def _remaining(self, blocks: Mapping[Address, int]) -> dict[Address, int]:
        return await self._at("eth_getBalance", blocks)

    async def _payments(
        self, blocks: Mapping[Address, int], sent: Mapping[Address, int]
    ) -> dict[Address, Mapping[str, Any]]:
        """Return each address's last transaction, of those that pay coins to another address."""
        found: dict[Address, Mapping[str, Any]] = {}
        numbers = sorted(set(blocks.values()))
        for at in range(0, len(numbers), BLOCKS):
            some = numbers[at : at + BLOCKS]
            read = await self.accounts.calls.batch(
                [("eth_getBlockByNumber", (hex(number), True)) for number in some]
            )
            items = [item for b in read if isinstance(b, dict) for item in b["transactions"]]
            found |= {
                str(item["from"]).lower(): item
                for item in items
                if _is_last_payment(item, blocks, sent)
            }
        return found


def _is_last_payment(
    item: Mapping[str, Any], blocks: Mapping[Address, int], sent: Mapping[Address, int]
) -> bool:
    sender = str(item["from"]).lower()
    return (
        sender in blocks
        and int(item["nonce"], 16) == sent[sender] - 1
        and int(item["value"], 16) > 0
        and item.get("to") is not None
        and str(item["to"]).lower() != sender
    )


def _sweep(item: Mapping[str, Any], block: int, remaining: int) -> Sweep:
    return Sweep(
        recipient=str(item["to"]).lower(),
        tx_hash=item["hash"],
        block=block,
        value=int(item["value"], 16),
        remaining=remaining,
    )
