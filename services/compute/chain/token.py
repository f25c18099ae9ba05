"""Read the properties of an ERC-20 token, and where it was created."""

import re
import unicodedata
from typing import Final

from compute.chain.answers import Call
from compute.chain.origin import Origin, find_origin, is_contract
from compute.chain.rejections import Meaning, RpcError, meaning_of
from compute.chain.rpc import RpcClient
from compute.chain_facts import PinnedBlock, TokenInfo

NAME, SYMBOL, DECIMALS = "0x06fdde03", "0x95d89b41", "0x313ce567"
TOTAL_SUPPLY, BALANCE_OF = "0x18160ddd", "0x70a08231"
OWNER, GET_OWNER = "0x8da5cb5b", "0x893d20e8"
WORD: Final = 32
"""Bytes of an ABI word."""
MAX_CHARACTERS: Final = 64
MAX_DECIMALS: Final = 255
LARGEST_SUPPLY: Final = 2**255
"""A supply from here on is no amount: some contracts return the largest number there is."""
SOME_HOLDER: Final = f"{1:064x}"
"""The address that `balanceOf` is tried with; many tokens revert for the zero address."""


class NoContract(Exception):
    """Report that the address has no code."""


class NotAToken(Exception):
    """Report that the contract is not an ERC-20."""


async def read_token(
    rpc: RpcClient, address: str, pinned: PinnedBlock, start: int
) -> tuple[TokenInfo, list[str]]:
    """Return the token at the pinned block, and warning codes for unreadable properties.

    `start` is assumed as the creation block if the endpoints keep no old states.

    Raises:
        NoContract: the address has no code.
        NotAToken: the contract does not respond as an ERC-20 must.
        RpcError: the endpoints rejected a call, which says nothing about the contract.
        Unreachable: no endpoint responds.
    """
    block = hex(pinned.number)
    functions = (TOTAL_SUPPLY, BALANCE_OF + SOME_HOLDER, DECIMALS, NAME, SYMBOL, OWNER, GET_OWNER)
    calls: list[Call] = [("eth_getCode", (address, block))]
    calls += [("eth_call", ({"to": address, "data": data}, block)) for data in functions]
    code, *results = await rpc.batch(calls, doubted=_is_nothing)
    supply, balance, decimals, name, symbol, *owners = results
    _require_contract(address, code, supply)
    _require_erc20(address, supply, balance, decimals)
    origin = await find_origin(rpc, address, start, pinned.number)
    creation = origin.creation
    token = TokenInfo(
        address=address,
        name=text(name),
        symbol=text(symbol),
        decimals=_decimals(decimals),
        total_supply=number(supply) or 0,
        deployer=creation.deployer if creation else None,
        created_block=origin.block,
        created_tx=creation.tx_hash if creation else None,
        owner=next(filter(None, map(_address, owners)), None),
    )
    return token, _warnings(token, origin)


def _is_nothing(call: Call, result: object) -> bool:
    """Return True for what an endpoint without the state returns instead of an error."""
    return result == "0x" or (call[0] == "eth_call" and number(result) is None)


def _require_contract(address: str, code: object, supply: object) -> None:
    """Verify that there is code, which an endpoint without the block's state may deny.

    Raises:
        NoContract: there is none.
        RpcError: the endpoints reject the query, or contradict each other.
    """
    if isinstance(code, RpcError):
        raise code
    if is_contract(code):
        return
    if number(supply) is not None:
        raise RpcError(0, "the endpoint returns no code for a contract that it calls")
    raise NoContract(f"There is no contract at {address} on this chain. Check the address.")


def _require_erc20(address: str, supply: object, balance: object, decimals: object) -> None:
    """Verify that the contract returns balances, and a supply or decimals; an NFT has neither.

    Raises:
        NotAToken: it does not, or reverts.
        RpcError: the endpoints reject the calls for another reason.
    """
    for function, result in (("totalSupply()", supply), ("balanceOf(address)", balance)):
        if number(result) is not None:
            continue
        if isinstance(result, RpcError) and meaning_of(result, "eth_call") is not Meaning.REVERT:
            raise result
        if result is supply and number(balance) is not None and number(decimals) is not None:
            continue
        raise NotAToken(
            f"The contract at {address} is not an ERC-20 token: {function} returns no number."
        )


def _warnings(token: TokenInfo, origin: Origin) -> list[str]:
    warnings = [] if origin.is_known else ["creation_block_unknown"]
    if not 0 < token.total_supply < LARGEST_SUPPLY:
        warnings.append("supply_not_reported")
    return warnings


def _decimals(result: object) -> int | None:
    decimals = number(result)
    return decimals if decimals is not None and decimals <= MAX_DECIMALS else None


def _address(result: object) -> str | None:
    """Decode an address; None if it is zero, or no address."""
    value = number(result)
    return f"0x{value:040x}" if value is not None and 0 < value < 2**160 else None


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
