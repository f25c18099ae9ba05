"""Find an account that shows whether a node has the state of a block.

Some nodes that have dropped old states return zeros for them instead of an error. An account that
had signed transactions by some block is not empty at any later one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from compute.chain.calls import Calls
from compute.chain.rejections import RpcError
from compute.chain_facts import Address

NO_STATE: Final = -32_095
"""Our own error code for a state that a node has dropped."""
_PARTS: Final = (1_024, 256, 64, 8, 2)
"""The account is looked for in the blocks at these parts of the chain's length."""

Transaction = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Witness:
    """Identify an account that is not empty from a block on."""

    account: Address
    block: int


async def find_witness(calls: Calls, last: int) -> Witness | None:
    """Return an account that signed transactions early; None if some blocks show none.

    Raises:
        BudgetSpent: too few calls are left.
        Unreachable: no endpoint responds.
    """
    numbers = [last // part for part in _PARTS]
    blocks = await calls.batch([("eth_getBlockByNumber", (hex(n), True)) for n in numbers])
    for number, block in zip(numbers, blocks, strict=True):
        if isinstance(block, dict) and (senders := busiest_senders(block)):
            return Witness(senders[0], number)
    return None


def busiest_senders(block: Mapping[str, Any]) -> list[Address]:
    """Return the senders that had sent transactions before this block, the busiest first."""
    sent = sorted(block["transactions"], key=_nonce, reverse=True)
    senders = (str(each["from"]).lower() for each in sent if _nonce(each) > 0)
    return list(dict.fromkeys(senders))


def missing_state(block: int) -> RpcError:
    """Return the error that a node should have sent."""
    return RpcError(NO_STATE, f"the state of block {block} is missing")


def _nonce(transaction: Transaction) -> int:
    """Return a transaction's nonce; those of a rollup's system may have none."""
    return int(str(transaction.get("nonce") or "0x0"), 16)
