"""Tell who acted in a transaction, from its receipt."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from compute.chain.calls import Calls
from compute.chain.payments import BLOCKS
from compute.chain.rejections import RpcError
from compute.chain_facts import Address, Transaction

ENTRY_POINTS: Final = frozenset(
    {
        "0x5ff137d4b0fdcd49dca30c7cf57e578a026d2789",  # 0.6
        "0x0000000071727de22e5e9d8baf0edac6f37da032",  # 0.7
        "0x4337084d9e255ff0702461cf8895ce9e3b5ff108",  # 0.8
        "0x433709009b8330fda32311df1c2afa402ed8d009",  # 0.9
    }
)
"""The contracts that execute ERC-4337 operations; any other can log the same event falsely."""
USER_OPERATION: Final = "0x49628fd1471006c1482da88028e9ce4dbb080b815c9b0344d39e5a8e6ec1419f"
"""`UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)`; topic 2: account."""
SAFE_EXECUTIONS: Final = frozenset(
    {
        "0x442e715f626346e8c54381002da614f62bee8d27386535b2521ec8540898556e",
        "0x6895c13664aa4f67288b25d7a21d7aaa34916e355fb9b6fae0a139a9085becb8",
    }
)
"""`ExecutionSuccess(bytes32,uint256)`, `ExecutionFromModuleSuccess(address)`; logged by a Safe."""
_ACCOUNT_TOPIC: Final = 2
TOGETHER: Final = 2
"""Transactions of one block from which on all its receipts are read at once."""

Receipt = Mapping[str, Any]


@dataclass(slots=True)
class Receipts:
    """Read the receipts of transactions, as far as the budget goes."""

    calls: Calls

    async def transactions(
        self, hashes: Sequence[str], block_of: Mapping[str, int]
    ) -> dict[str, Transaction | None]:
        """Return who acted in each transaction; None if no endpoint returns its receipt.

        `block_of` may have the block of a transaction: several of one block are one call.
        """
        by_block: dict[int, list[str]] = {}
        for each in hashes:
            if each in block_of:
                by_block.setdefault(block_of[each], []).append(each)
        shared = [block for block, some in by_block.items() if len(some) >= TOGETHER]
        found = await self._of_blocks(self.calls.affordable(shared), frozenset(hashes))
        singly = [each for each in hashes if each not in found]
        return found | await self._singly(self.calls.affordable(singly))

    async def _of_blocks(
        self, blocks: Sequence[int], wanted: frozenset[str]
    ) -> dict[str, Transaction | None]:
        """Return the wanted transactions of entire blocks, without those that are rejected."""
        found: dict[str, Transaction | None] = {}
        for at in range(0, len(blocks), BLOCKS):
            calls = [("eth_getBlockReceipts", (hex(n),)) for n in blocks[at : at + BLOCKS]]
            results = await self.calls.batch(calls)
            for receipts in results:
                found |= _wanted(receipts, wanted) if isinstance(receipts, list) else {}
            if all(isinstance(receipts, RpcError) for receipts in results):
                break  # the provider does not know this method
        return found

    async def _singly(self, hashes: Sequence[str]) -> dict[str, Transaction | None]:
        results = await self.calls.batch(
            [("eth_getTransactionReceipt", (each,)) for each in hashes]
        )
        return {
            each: transaction(receipt) if isinstance(receipt, dict) else None
            for each, receipt in zip(hashes, results, strict=True)
        }


def _wanted(receipts: Iterable[Receipt], wanted: frozenset[str]) -> dict[str, Transaction | None]:
    return {
        each["transactionHash"]: transaction(each)
        for each in receipts
        if each["transactionHash"] in wanted
    }


def transaction(receipt: Receipt) -> Transaction:
    """Return who acted in the transaction of a receipt."""
    recipient = receipt.get("to")
    accounts = (_account(log) for log in receipt["logs"])
    return Transaction(
        sender=str(receipt["from"]).lower(),
        recipient=None if recipient is None else str(recipient).lower(),
        accounts=frozenset(each for each in accounts if each is not None),
    )


def _account(log: Mapping[str, Any]) -> Address | None:
    """Return the smart account whose operation a log reports; None for other logs."""
    topics, emitter = log["topics"], str(log["address"]).lower()
    if topics and topics[0] in SAFE_EXECUTIONS:
        return emitter
    operation = len(topics) > _ACCOUNT_TOPIC and topics[0] == USER_OPERATION
    if operation and emitter in ENTRY_POINTS:
        return "0x" + str(topics[_ACCOUNT_TOPIC])[-40:].lower()
    return None
