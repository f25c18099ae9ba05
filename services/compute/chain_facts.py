"""Define the facts that an analysis needs from a chain in addition to the transfers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Address = str
"""`0x` and forty hexadecimal digits in lower case."""


@dataclass(frozen=True, slots=True)
class PinnedBlock:
    """Identify the block at which everything in a report is true."""

    number: int
    hash: str
    timestamp: int
    """UNIX seconds."""
    finalized: bool


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """Describe an ERC-20 token; name, symbol and decimals are optional in the standard."""

    address: Address
    name: str | None
    symbol: str | None
    decimals: int | None
    total_supply: int
    """In the token's smallest unit."""
    deployer: Address | None
    """None if it is unknown, or if a factory contract created the token."""
    created_block: int


@dataclass(frozen=True, slots=True)
class Funding:
    """Identify the transaction that sent an address its first native coins."""

    funder: Address
    tx_hash: str
    block: int
    timestamp: int
    """UNIX seconds."""


@dataclass(frozen=True, slots=True)
class RequiredFacts:
    """List the addresses about which an analysis needs facts from the chain."""

    kinds: tuple[Address, ...] = ()
    """Addresses to check for contract code."""
    funders: tuple[Address, ...] = ()
    """Addresses whose first funder is needed; finding it takes an archive endpoint."""
    balances: tuple[Address, ...] = ()
    """Addresses whose `balanceOf` is needed."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Hold the facts that were fetched, all at the pinned block."""

    chain_id: int
    pinned: PinnedBlock
    token: TokenInfo
    contracts: frozenset[Address] = frozenset()
    """The addresses of `RequiredFacts.kinds` that have code, EIP-7702 delegations excepted."""
    funders: Mapping[Address, Funding | None] = field(default_factory=dict)
    """First funder by address; None if it cannot be found (internal transfer, genesis)."""
    balances: Mapping[Address, int] = field(default_factory=dict)
    """`balanceOf` by address, in the token's smallest unit."""
    archive: bool = True
    """False if the endpoint keeps no old states; then no funder was looked for."""
    warnings: tuple[str, ...] = ()
    """Codes of facts that could not be fetched; shown in the report's `quality`."""
