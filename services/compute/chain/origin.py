"""Find the block, the transaction and the sender that created a contract.

Once created, code stays: its first block is found by bisection. A node that has dropped old states
may return "no code" for an old block instead of an error. The block that was found therefore counts
only if it contains the creation, or if the block before has no code according to an endpoint that
demonstrably has the state of that block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from compute.chain.answers import Call, is_quantity
from compute.chain.rejections import RpcError
from compute.chain.rpc import RpcClient
from compute.chain_facts import Address

WITNESS_BLOCKS: Final = 8
"""Blocks before the creation in which a sender is looked for, whose state is known."""
DELEGATION: Final = "0xef0100"
"""EIP-7702: the code of a personal account that delegates to a contract."""
_DELEGATION_CHARACTERS: Final = 2 + 2 * 23


@dataclass(frozen=True, slots=True)
class Creation:
    """Identify the transaction that created a contract, itself or through a factory."""

    deployer: Address
    """The account that signed it."""
    tx_hash: str
    is_direct: bool
    """False if a contract created it, which the transaction called."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Say where a contract was created, as far as it is known."""

    block: int
    """The first block with code; if unknown, the first block that may have any."""
    is_known: bool
    creation: Creation | None = None


def is_contract(code: object) -> bool:
    """Return True if an `eth_getCode` result is a contract's; a delegated account is not one."""
    if not isinstance(code, str) or code in ("0x", "0x0", ""):
        return False
    delegated = code.startswith(DELEGATION) and len(code) == _DELEGATION_CHARACTERS
    return not delegated


async def find_origin(rpc: RpcClient, address: Address, first: int, last: int) -> Origin:
    """Find where a contract was created that has code at block `last`.

    Args:
        rpc: The chain.
        address: The contract, in lower case.
        first: The first block to consider; assumed as the origin if it cannot be found.
        last: A block with code.

    Raises:
        Unreachable: no endpoint responds.
    """
    try:
        for _ in range(1 + len(rpc.endpoints)):
            block = await _first_with_code(rpc, address, first, last)
            creation = await _creation(rpc, address, block)
            if (creation and creation.is_direct) or block == first:
                return Origin(block, is_known=True, creation=creation)
            before = await _code_before(rpc, address, block, first)
            if before is Before.ABSENT:
                return Origin(block, is_known=True, creation=creation)
            if before is Before.UNKNOWN:
                break
            last = block - 1
    except RpcError:  # the endpoints keep no old states
        pass
    return Origin(first, is_known=False)


async def _first_with_code(rpc: RpcClient, address: Address, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if is_contract(await rpc.call("eth_getCode", address, hex(middle))):
            high = middle
        else:
            low = middle + 1
    return low


class Before(Enum):
    """Say whether a contract existed before the block that was found."""

    ABSENT = "it did not, or nothing shows that it did"
    PRESENT = "it did: the endpoint that was asked first has dropped old states"
    UNKNOWN = "no endpoint has the state of that block"


async def _code_before(rpc: RpcClient, address: Address, block: int, first: int) -> Before:
    """Ask for the code before a block, together with a nonce that cannot be zero there.

    An endpoint that returns zero for that nonce has no state of the block, and no error for it.
    """
    sender = await _sender_before(rpc, block, first)
    if sender is None:
        return Before.ABSENT
    at = hex(block - 1)
    calls: list[Call] = [("eth_getTransactionCount", (sender, at)), ("eth_getCode", (address, at))]
    nonce, code = await rpc.together(calls, doubted=lambda _, result: result == "0x0")
    if isinstance(code, RpcError):
        raise code
    if is_contract(code):
        return Before.PRESENT
    return Before.ABSENT if is_quantity(nonce) and int(nonce, 16) > 0 else Before.UNKNOWN


async def _sender_before(rpc: RpcClient, block: int, first: int) -> Address | None:
    """Return an account that sent a transaction shortly before a block; None if there is none."""
    for number in range(block - 1, max(first, block - 1 - WITNESS_BLOCKS), -1):
        found = await rpc.block(number, transactions=True)
        sent = [each for each in found["transactions"] if _nonce(each) > 0] if found else []
        if sent:
            return str(max(sent, key=_nonce)["from"]).lower()
    return None


def _nonce(transaction: Mapping[str, Any]) -> int:
    """Return the nonce of a transaction; 0 for a system's, which no account sent."""
    nonce = transaction.get("nonce")
    return int(nonce, 16) if isinstance(nonce, str) and is_quantity(nonce) else 0


async def _creation(rpc: RpcClient, address: Address, number: int) -> Creation | None:
    """Return the transaction of a block that created a contract, or first mentions it in a log."""
    block = await rpc.block(number, transactions=True)
    if block is None:
        return None
    sent = {str(each["hash"]): each for each in block["transactions"]}
    tx_hash = await _direct(rpc, address, block["transactions"])
    if tx_hash is not None:
        return Creation(str(sent[tx_hash]["from"]).lower(), tx_hash, is_direct=True)
    tx_hash = await _first_mention(rpc, address, number)
    if tx_hash not in sent:
        return None
    return Creation(str(sent[tx_hash]["from"]).lower(), tx_hash, is_direct=False)


async def _direct(
    rpc: RpcClient, address: Address, transactions: Sequence[Mapping[str, Any]]
) -> str | None:
    creations = [str(each["hash"]) for each in transactions if each.get("to") is None]
    calls: list[Call] = [("eth_getTransactionReceipt", (tx_hash,)) for tx_hash in creations]
    for tx_hash, receipt in zip(creations, await rpc.batch(calls), strict=True):
        if isinstance(receipt, dict) and str(receipt.get("contractAddress")).lower() == address:
            return tx_hash
    return None


async def _first_mention(rpc: RpcClient, address: Address, number: int) -> str | None:
    """Return the block's first transaction with a log by, or about, a contract."""
    (logs,) = await rpc.batch(
        [("eth_getLogs", ({"fromBlock": hex(number), "toBlock": hex(number)},))]
    )
    if isinstance(logs, RpcError):
        return None
    digits = address[2:]
    for log in sorted(logs, key=_place):
        text = "".join((log["address"], *(log.get("topics") or ()), log.get("data") or ""))
        if digits in text.lower():
            return str(log.get("transactionHash"))
    return None


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    names = ("transactionIndex", "logIndex")
    transaction, index = (int(log.get(name) or "0x0", 16) for name in names)
    return transaction, index
