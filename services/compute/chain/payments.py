"""Find the payment that gave an address its first native coins, in the block where it got them.

A payment that names the address as its recipient is certain. One that a contract makes is not
listed in the block: it counts as made by the sender of a transaction that sent coins to a contract
and named the address in its data (as multisenders need it), if that transaction succeeded, if its
coins cover the balance of the address after the block, and if no other sender's did.

Where no payment is found, the state before the block may be missing: some nodes that dropped it
return zeros instead of an error. An account that had signed transactions by then shows which. A
single wrong number must not end the search, so two accounts are asked, and several addresses must
seem to have been used first in such a block: to a node without old states, all of them do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from compute.chain.accounts import Accounts
from compute.chain.rejections import RpcError
from compute.chain.witness import busiest_senders, missing_state
from compute.chain_facts import Address, Funding

BLOCKS: Final = 10
"""Blocks in one HTTP request; each has some hundred kilobytes."""

DOUBTFUL: Final = 3
"""Addresses without a payment, in blocks whose state before seems missing, that are tolerated."""

Item = Mapping[str, Any]


@dataclass(slots=True)
class Payments:
    """Read blocks and find payments in them."""

    accounts: Accounts
    found: dict[Address, Funding | None] = field(default_factory=dict)
    """By recipient; None if the block contains no payment to it."""
    _state_from: int | None = None
    """The first block whose state has been seen to exist; None if there was no doubt."""
    _doubtful: int = 0
    """Addresses that were found where the state before the block seems to be missing."""

    async def find(self, wanted: Mapping[int, Sequence[Address]]) -> None:
        """Find the payments to addresses in the block in which each was used first.

        Raises:
            RpcError: the state before one of the blocks is missing.
            Unreachable: no endpoint responds.
        """
        numbers = list(wanted)
        for at in range(0, len(numbers), BLOCKS):
            some = numbers[at : at + BLOCKS]
            calls = [("eth_getBlockByNumber", (hex(n), True)) for n in some]
            blocks = await self.accounts.calls.batch(calls)
            for number, block in zip(some, blocks, strict=True):
                await self._in_block(number, block, wanted[number])

    async def _in_block(self, number: int, block: Any, addresses: Sequence[Address]) -> None:
        if not isinstance(block, dict):  # too large for the provider, for example
            self.found.update(dict.fromkeys(addresses))
            return
        payments = _direct(block)
        others = [address for address in addresses if address not in payments]
        if others:
            await self._require_state(number - 1, block, len(others))
        self.found.update(
            {
                each: _funding(block, payments[each]) if each in payments else None
                for each in addresses
            }
        )
        await self._through_contracts(number, block, others)

    async def _require_state(self, number: int, following: Item, addresses: int) -> None:
        """Verify that the state of a block exists, by senders in the block that follows it.

        Raises:
            RpcError: it seems to be missing for more addresses than can be by chance.
        """
        witness = self.accounts.multicall.limits.witness
        if witness is not None and number < witness.block:
            return  # too old to be asked for: the funder stays unknown
        if self._state_from is not None and self._state_from <= number:
            return
        senders = busiest_senders(following)[:2]
        if witness is not None and senders:
            senders = [senders[0], witness.account]
        for sender in senders:
            if await self._nonce(sender, number) > 0:
                self._state_from = number
                return
        self._doubtful += addresses if senders else 0
        if self._doubtful > DOUBTFUL:
            raise missing_state(number)

    async def _nonce(self, sender: Address, block: int) -> int:
        call = ("eth_getTransactionCount", (sender, hex(block)))
        (nonce,) = await self.accounts.calls.batch([call])
        if isinstance(nonce, RpcError):
            raise nonce
        return int(nonce, 16)

    async def _through_contracts(
        self, number: int, block: Item, addresses: Sequence[Address]
    ) -> None:
        named = {address: _naming(block, address) for address in addresses}
        named = {address: items for address, items in named.items() if items}
        if not named:
            return
        receipts = await self._receipts([item for items in named.values() for item in items])
        coins = await self.accounts.coins(list(named), number)
        for address, items in named.items():
            able = [
                item
                for item in items
                if _succeeded(receipts.get(item["hash"]))
                and 0 < coins.get(address, 0) <= int(item["value"], 16)
            ]
            if len({item["from"] for item in able}) == 1:
                self.found[address] = _funding(block, able[0], receipts[able[0]["hash"]])

    async def _receipts(self, items: Sequence[Item]) -> dict[str, Item]:
        hashes = self.accounts.calls.affordable(list(dict.fromkeys(item["hash"] for item in items)))
        calls = [("eth_getTransactionReceipt", (each,)) for each in hashes]
        results = await self.accounts.calls.batch(calls)
        return {h: each for h, each in zip(hashes, results, strict=True) if isinstance(each, dict)}


def _direct(block: Item) -> dict[Address, Item]:
    """Return the block's first payment to each address."""
    payments: dict[Address, Item] = {}
    for item in block["transactions"]:
        if item.get("to") and int(item["value"], 16) > 0:
            payments.setdefault(str(item["to"]).lower(), item)
    return payments


def _naming(block: Item, address: Address) -> list[Item]:
    """Return the transactions that send coins to a contract and name the address in their data."""
    name = address[2:]
    return [
        item
        for item in block["transactions"]
        if int(item["value"], 16) > 0 and name in str(item.get("input") or "").lower()
    ]


def _succeeded(receipt: Item | None) -> bool:
    """Return True unless the transaction failed; receipts before 2017 do not say so."""
    return receipt is not None and int(receipt.get("status") or "0x1", 16) == 1


def _funding(block: Item, item: Item, receipt: Item | None = None) -> Funding:
    via = None
    if receipt is not None:
        via = str(item.get("to") or receipt.get("contractAddress")).lower()
    return Funding(
        funder=str(item["from"]).lower(),
        tx_hash=item["hash"],
        block=int(block["number"], 16),
        timestamp=int(block["timestamp"], 16),
        via=via,
        value=None if via is not None else int(item["value"], 16),
        nonce=int(item["nonce"], 16) if item.get("nonce") else None,
    )
