"""Chains and token addresses as people write them."""

import re
from collections.abc import Mapping
from typing import Final

from contracts.chains import KNOWN_CHAINS, checksum_address
from gateway.http.problems import malformed

CHAINS: Final[Mapping[str, int]] = {name: chain.chain_id for name, chain in KNOWN_CHAINS.items()}
_NUMBER = re.compile(r"(?:eip155:)?([1-9][0-9]{0,15})", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def chain_id(text: str, chains: Mapping[str, int]) -> int:
    """The id of a supported chain, from its name (`ethereum`), number (`1`) or `eip155:1`.

    Raises:
        Problem: 400 if it is none of them.
    """
    if (known := chains.get(text.lower())) is not None:
        return known
    number = _NUMBER.fullmatch(text)
    if number is None or int(number[1]) not in chains.values():
        names = ", ".join(chains)
        raise malformed(f"this chain is not supported; supported are {names}", code="unknown_chain")
    return int(number[1])


def token_address(text: str) -> str:
    """The stored form of an address: lower case.

    Capitals carry a checksum (EIP-55): an address in both cases is checked against it, so that a
    slip of the hand is not taken for another token.

    Raises:
        Problem: 400 if it is no address, or its checksum is wrong.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise malformed(
            "a token address is 0x and forty hexadecimal digits", code="invalid_address"
        )
    digits, correct = text[2:], checksum_address(text.lower())
    if digits not in (digits.lower(), digits.upper()) and text != correct:
        raise malformed(
            f"the capitals of this address do not check out (EIP-55): if its digits are right, "
            f"it is written {correct}",
            code="invalid_checksum",
        )
    return text.lower()
