"""Read the properties of an ERC-20 token, and where it was created."""

import re
import unicodedata
from typing import Final

from compute.chain.rejections import RpcError
from compute.chain.rpc import Call, RpcClient
from compute.chain_facts import PinnedBlock, TokenInfo

NAME, SYMBOL, DECIMALS = "0x06fdde03", "0x95d89b41", "0x313ce567"
TOTAL_SUPPLY, BALANCE_OF = "0x18160ddd", "0x70a08231"
WORD: Final = 32
"""Bytes of an ABI word."""
MAX_CHARACTERS: Final = 64
MAX_DECIMALS: Final = 255
DELEGATION: Final = "0xef0100"
"""EIP-7702: the code of a personal account that delegates to a contract."""
_DELEGATION_CHARACTERS: Final = 2 + 2 * 23


class NoContract(Exception):
    """Report that the address has no code."""


class NotAToken(Exception):
    """Report that the contract is not an ERC-20."""


def is_contract(code: object) -> bool:
    """Return True if an `eth_getCode` result is a contract's; a delegated account is not one."""
    if not isinstance(code, str) or code in ("0x", "0x0", ""):
        return False
    delegated = code.startswith(DELEGATION) and len(code) == _DELEGATION_CHARACTERS
    return not delegated


async def read_token(
    rpc: RpcClient, address: str, pinned: PinnedBlock, start: int
) -> tuple[TokenInfo, list[str]]:
    """Return the token at the pinned block, and warning codes for unreadable properties.

    `start` is assumed as the creation block if the endpoint keeps no old states.

    Raises:
        NoContract: the address has no code.
        NotAToken: the contract does not respond as an ERC-20 must.
        RpcError: the endpoint rejected the first call.
        Unreachable: no endpoint responds.
    """
    block = hex(pinned.number)
    calls: list[Call] = [("eth_getCode", (address, block))]
    calls += [
        ("eth_call", ({"to": address, "data": data}, block))
        for data in (TOTAL_SUPPLY, BALANCE_OF + "0" * 64, NAME, SYMBOL, DECIMALS)
    ]
    code, supply, balance, name, symbol, decimals = await rpc.batch(calls)
    if isinstance(code, RpcError):
        raise code
    _require_erc20(address, code, supply, balance)
    created_block, deployer, warnings = await _origin(rpc, address, pinned.number, start)
    token = TokenInfo(
        address=address,
        name=text(name),
        symbol=text(symbol),
        decimals=_decimals(decimals),
        total_supply=number(supply) or 0,
        deployer=deployer,
        created_block=created_block,
    )
    return token, warnings


def _require_erc20(address: str, code: object, supply: object, balance: object) -> None:
    if not is_contract(code):
        raise NoContract(f"There is no contract at {address} on this chain. Check the address.")
    for function, result in (("totalSupply()", supply), ("balanceOf(address)", balance)):
        if number(result) is None:
            raise NotAToken(
                f"The contract at {address} is not an ERC-20 token: {function} returns no number."
            )


def _decimals(result: object) -> int | None:
    decimals = number(result)
    return decimals if decimals is not None and decimals <= MAX_DECIMALS else None


async def _origin(
    rpc: RpcClient, address: str, last: int, start: int
) -> tuple[int, str | None, list[str]]:
    """Find the creation block and the deployer by bisection: once created, code stays."""
    low, high = start, last
    try:
        while low < high:
            middle = (low + high) // 2
            if is_contract(await rpc.call("eth_getCode", address, hex(middle))):
                high = middle
            else:
                low = middle + 1
        return low, await _deployer(rpc, address, low), []
    except RpcError:
        return start, None, ["creation_block_unknown"]


async def _deployer(rpc: RpcClient, address: str, block_number: int) -> str | None:
    """Return who deployed a contract by a transaction; None if a factory contract did."""
    block = await rpc.block(block_number, transactions=True) or {"transactions": ()}
    creations = [each for each in block["transactions"] if each.get("to") is None]
    calls = [("eth_getTransactionReceipt", (each["hash"],)) for each in creations]
    receipts = await rpc.batch(calls)
    for each, receipt in zip(creations, receipts, strict=True):
        if isinstance(receipt, dict) and str(receipt.get("contractAddress")).lower() == address:
            return str(each["from"]).lower()
    return None


def number(result: object) -> int | None:
    """Decode one ABI word; None if the result is not one."""
    if not isinstance(result, str) or len(result) < 2 + 2 * WORD:
        return None
    return int(result[2 : 2 + 2 * WORD], 16)


def text(result: object) -> str | None:
    """Decode an ABI string, or the 32 bytes that older tokens return, as one printable line.

    The text is untrusted: it is cut to `MAX_CHARACTERS`, and characters that are invisible or
    change the writing direction are removed. None if nothing is left.
    """
    if not isinstance(result, str) or not result.startswith("0x"):
        return None
    try:
        raw = bytes.fromhex(result[2:])
    except ValueError:
        return None
    if len(raw) == WORD:
        packed = raw.rstrip(b"\0")
    else:
        start = int.from_bytes(raw[:WORD], "big")
        length = int.from_bytes(raw[start : start + WORD], "big") if start < len(raw) else 0
        packed = raw[start + WORD : start + WORD + min(length, 4 * MAX_CHARACTERS)]
    return _printable(packed.decode("utf-8", "ignore")) or None


def _printable(raw: str) -> str:
    shown = "".join(c for c in raw if unicodedata.category(c)[0] not in "CZ" or c == " ")
    return re.sub(r" +", " ", shown).strip()[:MAX_CHARACTERS]


def address_word(address: str) -> str:
    """Return an address as the hexadecimal digits of an ABI word."""
    return address[2:].rjust(2 * WORD, "0")
