"""Describe the EVM chains that are known by name, and their addresses (EIP-55)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from eth_hash.auto import keccak


@dataclass(frozen=True, slots=True)
class KnownChain:
    """Describe one chain."""

    chain_id: int
    """Its number by EIP-155."""
    finality_blocks: int
    """Blocks behind the head that count as final where a provider lacks the tag `finalized`."""
    explorer: str
    """Site that shows its `/tx/{hash}`, `/address/{address}` and `/block/{number}`."""


KNOWN_CHAINS: Final[Mapping[str, KnownChain]] = {
    "ethereum": KnownChain(1, 64, "https://etherscan.io"),
    "optimism": KnownChain(10, 900, "https://optimistic.etherscan.io"),
    "bsc": KnownChain(56, 15, "https://bscscan.com"),
    "polygon": KnownChain(137, 256, "https://polygonscan.com"),
    "base": KnownChain(8453, 900, "https://basescan.org"),
    "arbitrum": KnownChain(42161, 2_400, "https://arbiscan.io"),
    "avalanche": KnownChain(43114, 1, "https://snowtrace.io"),
}


@lru_cache(maxsize=65_536)
def checksum_address(address: str) -> str:
    """Return an address with the capitals of EIP-55.

    `address` is `0x` and forty hexadecimal digits, in lower case. Cached: a report names the same
    addresses many times. The validation of `eth_utils.address` would take most of the time.
    """
    digits = address[2:]
    digest = keccak(digits.encode()).hex()
    pairs = zip(digits, digest, strict=False)
    return "0x" + "".join([digit.upper() if key > "7" else digit for digit, key in pairs])
