"""Verify the shape of JSON-RPC results: a provider may send anything for any call."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from compute.chain.rejections import LOGS

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BYTES = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")

Params = Sequence[Any]
Call = tuple[str, Params]
"""A method and its parameters."""


def is_quantity(value: object) -> bool:
    """Return True for `0x` and one to 64 hexadecimal digits."""
    return isinstance(value, str) and _QUANTITY.fullmatch(value) is not None


def is_bytes(value: object) -> bool:
    """Return True for `0x` and pairs of hexadecimal digits, also none."""
    return isinstance(value, str) and _BYTES.fullmatch(value) is not None


def is_hash(value: object) -> bool:
    """Return True for 32 bytes."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def is_address(value: object) -> bool:
    """Return True for 20 bytes."""
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def _is_block(block: Any, params: Params) -> bool:
    if not isinstance(block, dict) or not isinstance(block.get("transactions"), list):
        return False
    if not (is_hash(block.get("hash")) and is_quantity(block.get("timestamp"))):
        return False
    if not is_quantity(block.get("number")):
        return False
    asked, *rest = params
    if is_quantity(asked) and int(block["number"], 16) != int(asked, 16):
        return False
    full = bool(rest and rest[0])
    return all(_is_transaction(each) if full else is_hash(each) for each in block["transactions"])


def _is_transaction(each: Any) -> bool:
    return (
        isinstance(each, dict)
        and is_hash(each.get("hash"))
        and is_address(each.get("from"))
        and (each.get("to") is None or is_address(each["to"]))
        and is_quantity(each.get("value"))
    )


def _is_log(each: Any) -> bool:
    """Return True for a log, also a pending one, whose place in the chain is null."""
    if not isinstance(each, dict) or not is_address(each.get("address")):
        return False
    topics = each.get("topics")
    if topics is not None and not (isinstance(topics, list) and all(map(is_hash, topics))):
        return False
    if not (each.get("data") is None or is_bytes(each["data"])):
        return False
    numbers = map(each.get, ("blockNumber", "transactionIndex", "logIndex"))
    if not all(number is None or is_quantity(number) for number in numbers):
        return False
    return each.get("blockNumber") is None or is_hash(each.get("transactionHash"))


def _are_logs(logs: Any, params: Params) -> bool:
    del params
    return isinstance(logs, list) and all(map(_is_log, logs))


def _is_receipt(receipt: Any) -> bool:
    return isinstance(receipt, dict) and _are_logs(receipt.get("logs"), ())


_Check = Callable[[Any, Params], bool]
_CHECKS: Final[Mapping[str, _Check]] = {
    "eth_chainId": lambda value, _: is_quantity(value),
    "eth_blockNumber": lambda value, _: is_quantity(value),
    "eth_getBalance": lambda value, _: is_quantity(value),
    "eth_getTransactionCount": lambda value, _: is_quantity(value),
    "eth_getCode": lambda value, _: is_bytes(value),
    "eth_call": lambda value, _: is_bytes(value),
    "eth_getBlockByNumber": _is_block,
    LOGS: _are_logs,
    "eth_getBlockReceipts": lambda value, _: (
        isinstance(value, list) and all(map(_is_receipt, value))
    ),
    "eth_getTransactionReceipt": lambda value, _: _is_receipt(value),
    "eth_getTransactionByHash": lambda value, _: _is_transaction(value),
}
NULLABLE: Final = frozenset(
    {
        "eth_getBlockByNumber",
        "eth_getBlockReceipts",
        "eth_getTransactionReceipt",
        "eth_getTransactionByHash",
    }
)
"""Methods whose result is null for something that does not exist, or not yet."""


def normalized(method: str, result: Any) -> Any:
    """Return the result with the spellings of "no code" made one."""
    return "0x" if method == "eth_getCode" and result in ("", "0x0") else result


def is_well_formed(call: Call, result: Any) -> bool:
    """Return True if a result has the form that its method returns; null may be one."""
    method, params = call
    check = _CHECKS.get(method)
    if check is None or (result is None and method in NULLABLE):
        return True
    return check(result, params)
