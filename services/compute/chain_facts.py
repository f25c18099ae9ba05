"""Define the facts that an analysis needs from a chain in addition to the transfers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

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
    """What the token reports, in its smallest unit; 0 if it reports none."""
    deployer: Address | None
    """The account that signed the creation, also if it called a factory; None if unknown."""
    created_block: int
    created_tx: str | None = None
    """Hash of the transaction that created the token; None if unknown."""
    owner: Address | None = None
    """What the token's `owner()` or `getOwner()` returns; None if it has no owner."""


@dataclass(frozen=True, slots=True)
class Funding:
    """Identify the transaction that sent an address its first native coins."""

    funder: Address
    tx_hash: str
    block: int
    timestamp: int
    """UNIX seconds."""
    via: Address | None = None
    """The contract that `funder` called to pay, such as a multisender; None if it paid itself."""
    value: int | None = None
    """In wei; None if it is not known."""
    nonce: int | None = None
    """Transactions that `funder` had sent before this one; None if it is not known."""


@dataclass(frozen=True, slots=True)
class Code:
    """Describe the code at an address at the pinned block."""

    size: int
    """Bytes; 0 for an account without code."""
    hash: str
    """`0x` and the 64 digits of the Keccak-256 hash; that of nothing if `size` is 0."""
    start: bytes
    """The first `CODE_START_BYTES` bytes: enough for delegations and minimal proxies."""


CODE_START_BYTES = 192


@dataclass(frozen=True, slots=True)
class Transaction:
    """Describe who acted in a transaction, from its receipt."""

    sender: Address
    """The account that signed it: for an ERC-4337 operation the bundler."""
    recipient: Address | None
    """The called address; None if the transaction created a contract."""
    accounts: frozenset[Address]
    """Smart accounts whose operation it executed: ERC-4337 senders and Safes, by their logs."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Identify an address's last transaction, which paid native coins."""

    recipient: Address
    tx_hash: str
    block: int
    value: int
    """In wei."""
    remaining: int
    """Native balance of the sender after that block, in wei."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Hold what a contract returned to view functions that identify pools, lockers and accounts.

    Each is the return data, at most its first 256 bytes; a function that reverted or returned
    nothing is left out.
    """

    results: Mapping[str, bytes]
    """By signature, such as `"token0()"`."""


TRANSFERS_INCOMPLETE: Final = "transfers_incomplete"
"""Warning that endpoints leave logs out, and that reading again did not find all of them."""
FIRST_CALLS: Final = 15_000
"""Ten minutes of calls to an endpoint that accepts 25 a second."""
_LISTS: Final = (
    "funders", "balances", "codes", "nonces", "transactions", "sweeps", "probes",
    "blocks",
)  # fmt: skip
"""The fields of `RequiredFacts` that name what is required."""


@dataclass(frozen=True, slots=True)
class RequiredFacts:
    """List what an analysis needs to know from the chain next; empty when it has all facts.

    A fact that was requested once is not requested again, even if it could not be found. Each
    list is ordered by importance: the fetch stops when its budget of calls is spent.
    """

    funders: tuple[Address, ...] = ()
    """Addresses whose first funder is needed; finding it takes an archive endpoint."""
    balances: tuple[Address, ...] = ()
    """Addresses whose `balanceOf` is needed."""
    codes: tuple[Address, ...] = ()
    """Addresses whose code is needed."""
    nonces: tuple[Address, ...] = ()
    """Addresses whose number of sent transactions is needed."""
    transactions: tuple[str, ...] = ()
    """Hashes of the transactions whose sender is needed."""
    sweeps: tuple[Address, ...] = ()
    """Addresses whose last native payment is needed; it takes an archive endpoint."""
    probes: tuple[Address, ...] = ()
    """Contracts to ask what they are."""
    blocks: tuple[int, ...] = ()
    """Numbers of the blocks whose time is needed."""
    calls: int = FIRST_CALLS
    """The most calls that fetching these facts may take. First funders and sweeps stop there."""
    block_of: Mapping[str, int] = field(default_factory=dict)
    """Block of each of `transactions`, where it is known: several of a block are one call."""
    relevant: Mapping[Address, tuple[int, int]] = field(default_factory=dict)
    """For some of `funders`: the blocks, first and last, in which a first payment shows most."""
    used_from: Mapping[Address, int] = field(default_factory=dict)
    """For some of `sweeps`: a block before which the address had sent nothing."""

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in _LISTS)

    def without(self, requested: "RequiredFacts") -> "RequiredFacts":
        """Return these facts without those that were requested before."""
        new: dict[str, Any] = {}
        for name in _LISTS:
            known = frozenset(getattr(requested, name))
            new[name] = tuple(each for each in getattr(self, name) if each not in known)
        return replace(self, **new)

    def merged(self, later: "RequiredFacts") -> "RequiredFacts":
        """Return the facts of both requests, each once, these first."""
        both: dict[str, Any] = {
            name: tuple(dict.fromkeys((*getattr(self, name), *getattr(later, name))))
            for name in _LISTS
        }
        return RequiredFacts(**both, block_of={**self.block_of, **later.block_of})


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Hold the facts that were fetched, all at the pinned block."""

    chain_id: int
    pinned: PinnedBlock
    token: TokenInfo
    funders: Mapping[Address, Funding | None] = field(default_factory=dict)
    """First funder by address; None if it cannot be found (internal transfer, genesis)."""
    balances: Mapping[Address, int | None] = field(default_factory=dict)
    """`balanceOf` by address, in the token's smallest unit; None if it returned no number."""
    codes: Mapping[Address, Code] = field(default_factory=dict)
    nonces: Mapping[Address, int] = field(default_factory=dict)
    """Number of transactions sent, by address."""
    transactions: Mapping[str, Transaction | None] = field(default_factory=dict)
    """By hash; None if the endpoints no longer return it."""
    sweeps: Mapping[Address, Sweep | None] = field(default_factory=dict)
    """By address; None if its last transaction paid no native coins."""
    probes: Mapping[Address, Probe] = field(default_factory=dict)
    block_times: Mapping[int, int] = field(default_factory=dict)
    """UNIX seconds by block number."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Number of facts that were not fetched because the budget of calls was spent, by fact."""
    calls: int = 0
    """Calls that fetching the facts took, each call of a batch counted."""
    archive: bool = True
    """False if the endpoint keeps no old states; then no funder was looked for."""
    warnings: tuple[str, ...] = ()
    """Codes of facts that could not be fetched; shown in the report's `quality`."""
    requested: RequiredFacts = field(default_factory=RequiredFacts)
    """All that was requested so far, whether it was found or not."""

    def merged(self, later: "ChainFacts") -> "ChainFacts":
        """Return the facts of both fetches; one of the later replaces the same of the earlier."""
        skipped = {
            name: self.skipped.get(name, 0) + later.skipped.get(name, 0)
            for name in {**self.skipped, **later.skipped}
        }
        return replace(
            later,
            funders={**self.funders, **later.funders},
            balances={**self.balances, **later.balances},
            codes={**self.codes, **later.codes},
            nonces={**self.nonces, **later.nonces},
            transactions={**self.transactions, **later.transactions},
            sweeps={**self.sweeps, **later.sweeps},
            probes={**self.probes, **later.probes},
            block_times={**self.block_times, **later.block_times},
            skipped=skipped,
            calls=self.calls + later.calls,
            archive=self.archive and later.archive,
            warnings=tuple(dict.fromkeys((*self.warnings, *later.warnings))),
            requested=self.requested.merged(later.requested),
        )
