"""Addresses as they are shown: with the capitals of EIP-55."""

from functools import lru_cache
from typing import Final

from Crypto.Hash import keccak

_CAPITAL_FROM: Final = 8


@lru_cache(maxsize=65_536)
def checksummed(address: str) -> str:
    """A lower-case address with its capitals, as EIP-55 sets them."""
    digits = address[2:]
    digest = keccak.new(digest_bits=256, data=digits.encode("ascii")).hexdigest()
    pairs = zip(digits, digest, strict=False)
    return "0x" + "".join(d.upper() if int(h, 16) >= _CAPITAL_FROM else d for d, h in pairs)
