"""What a token says of itself, and where it came from."""

import re
import unicodedata
from typing import Final

from compute.chain.rpc import Call, Rpc, RpcError
from compute.facts import Pinned, Token

NAME, SYMBOL, DECIMALS = "0x06fdde03", "0x95d89b41", "0x313ce567"
TOTAL_SUPPLY, BALANCE_OF = "0x18160ddd", "0x70a08231"
WORD: Final = 32
MOST_CHARACTERS: Final = 64
MOST_DECIMALS: Final = 255
DELEGATION: Final = "0xef0100"
"""EIP-7702: a person's account that runs a contract's code is a person's account."""
_DELEGATION_CHARACTERS: Final = 2 + 2 * 23


class NoContract(Exception):
    """There is no code at this address."""


class NotAToken(Exception):
    """The contract at this address is no ERC-20."""


def is_contract(code: object) -> bool:
    if not isinstance(code, str) or code in ("0x", "0x0", ""):
        return False
    delegated = code.startswith(DELEGATION) and len(code) == _DELEGATION_CHARACTERS
    return not delegated


async def read_token(rpc: Rpc, address: str, pinned: Pinned, start: int) -> tuple[Token, list[str]]:
    """The token at the pinned block, and warnings of what could not be found out.

    Raises:
        NoContract: there is none at this address.
        NotAToken: it does not answer as an ERC-20 has to.
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
    if not is_contract(code):
        raise NoContract(f"there is no contract at {address} on this chain")
    for what, said in (("totalSupply()", supply), ("balanceOf(address)", balance)):
        if number(said) is None:
            raise NotAToken(f"the contract at {address} is no ERC-20: {what} does not answer")
    created, deployer, warnings = await _origin(rpc, address, pinned.number, start)
    places = number(decimals)
    token = Token(
        address=address,
        name=text(name),
        symbol=text(symbol),
        decimals=places if places is not None and places <= MOST_DECIMALS else None,
        total_supply=number(supply) or 0,
        deployer=deployer,
        created_block=created,
    )
    return token, warnings


async def _origin(
    rpc: Rpc, address: str, last: int, start: int
) -> tuple[int, str | None, list[str]]:
    """The block that the contract was made in, and who paid for it.

    Code once there stays there: bisection. An endpoint without old states is read from `start`.
    """
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


async def _deployer(rpc: Rpc, address: str, block: int) -> str | None:
    """Of a contract that a transaction made by itself; one made by a factory has none here."""
    whole = await rpc.block(block, whole=True) or {"transactions": ()}
    made = [each for each in whole["transactions"] if each.get("to") is None]
    receipts = await rpc.batch([("eth_getTransactionReceipt", (each["hash"],)) for each in made])
    for each, receipt in zip(made, receipts, strict=True):
        if isinstance(receipt, dict) and str(receipt.get("contractAddress")).lower() == address:
            return str(each["from"]).lower()
    return None


def number(said: object) -> int | None:
    """One ABI word; None for what is none."""
    if not isinstance(said, str) or len(said) < 2 + 2 * WORD:
        return None
    return int(said[2 : 2 + 2 * WORD], 16)


def text(said: object) -> str | None:
    """An ABI string, or the 32 bytes that older tokens answer with; short, and one printable line.

    It is a stranger's text: characters that turn the direction of writing or show nothing are left
    out.
    """
    if not isinstance(said, str) or not said.startswith("0x"):
        return None
    try:
        raw = bytes.fromhex(said[2:])
    except ValueError:
        return None
    if len(raw) == WORD:
        packed = raw.rstrip(b"\0")
    else:
        start = int.from_bytes(raw[:WORD], "big")
        length = int.from_bytes(raw[start : start + WORD], "big") if start < len(raw) else 0
        packed = raw[start + WORD : start + WORD + min(length, 4 * MOST_CHARACTERS)]
    return _printable(packed.decode("utf-8", "ignore")) or None


def _printable(raw: str) -> str:
    shown = "".join(c for c in raw if unicodedata.category(c)[0] not in "CZ" or c == " ")
    return re.sub(r" +", " ", shown).strip()[:MOST_CHARACTERS]


def address_word(address: str) -> str:
    return address[2:].rjust(2 * WORD, "0")
