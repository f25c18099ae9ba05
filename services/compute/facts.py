"""What the chain is asked, and what it said, beside the transfers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Address = str
"""0x and forty hexadecimal digits in lower case."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """The block that everything is true at."""

    number: int
    hash: str
    timestamp: int
    """UNIX seconds."""
    finalized: bool


@dataclass(frozen=True, slots=True)
class Token:
    """What an ERC-20 says of itself; the names are optional in the standard."""

    address: Address
    name: str | None
    symbol: str | None
    decimals: int | None
    total_supply: int
    deployer: Address | None
    created_block: int


@dataclass(frozen=True, slots=True)
class Funding:
    """The transaction that brought an address its first native coins."""

    funder: Address
    tx_hash: str
    block: int
    timestamp: int
    """UNIX seconds."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What an analysis has to know beyond the transfers."""

    kinds: tuple[Address, ...] = ()
    """Has it code?"""
    funders: tuple[Address, ...] = ()
    """Who paid its first native coins? Needs an archive endpoint."""
    balances: tuple[Address, ...] = ()
    """What does the token itself say that it holds?"""


@dataclass(frozen=True, slots=True)
class Facts:
    """The chain's answers, all at the pinned block."""

    chain_id: int
    pinned: Pinned
    token: Token
    contracts: frozenset[Address] = frozenset()
    """Those of `Questions.kinds` with code; an EIP-7702 delegation (0xef0100…) is a person."""
    funders: Mapping[Address, Funding | None] = field(default_factory=dict)
    """None: looked for and not to be known (an internal transfer, or there from the genesis on)."""
    balances: Mapping[Address, int] = field(default_factory=dict)
    archive: bool = True
    """Whether the endpoint knows old states: without them no funder was looked for."""
    warnings: tuple[str, ...] = ()
    """Machine words for what could not be had; they are shown in the report's `quality`."""
