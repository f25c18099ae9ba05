"""Define the thresholds and signals of the method; a report lists all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Final

ALGORITHM: Final = "first-source/2"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Hold the thresholds and signals of the method "first source"; 0 or False is off."""

    receiver_share: Fraction = Fraction(1, 5)
    """Least share of all a wallet ever received that must come from its first source."""
    supply_share: Fraction = Fraction(1, 1_000_000)
    """Share of the supply below which an amount is dust, which is no evidence."""
    sweep_share: Fraction = Fraction(1, 2)
    """Share of all a wallet ever sent above which a recipient counts as its sweep target."""
    hub_cap: int = 50
    """Wallets an address may be first for; with more it is a distributor, not an owner."""
    split_above: int = 500
    """Nodes above which a component is cut at its bridges."""
    sender_acted: bool = True
    """A transfer links wallets only if its sender signed the transaction or ordered it."""
    multisenders: bool = True
    """What a contract passes on in one transaction comes from the wallet that paid it."""
    direct_transfers: bool = True
    """What a wallet sends by calling another contract than the token may be a sale."""
    creation_mints: bool = True
    """What is minted in the transaction that creates the token comes from its signer."""
    bundle_recipients: int = 3
    """Wallets that receive their first tokens from a pool in one transaction: one owner's."""
    service_nonce: int = 1_000
    """Transactions sent from which an account counts as a service."""
    service_partners: int = 25
    """Wallets it received from, and as many it sent to, from which an address is a service."""
    service_deposits: int = 8
    """Emptied deposit addresses with different payers from which their target is a service."""
    own_life_nonce: int = 10
    """Transactions above which a wallet has a life of its own, unless it was set up recently."""
    own_life_days: int = 14
    """Days before its first tokens within which a wallet that got its first coins is fresh."""
    mixed_share: Fraction = Fraction(1, 4)
    """Share of such wallets from which what one transaction pays is a distribution."""
    mixed_payments: Fraction = Fraction(1, 2)
    """Share of such wallets from which nothing that an address paid is evidence."""
    smart_accounts: bool = True
    """Safes, ERC-4337 accounts and EIP-7702 delegations are persons."""
    burns: bool = True
    """An address that looks constructed and never sent a transaction counts as burned."""
    probes: bool = True
    """Contracts that answer as pools do are pools."""
    funded_acted: bool = True
    """A first funder links only wallets that acted, and that had no tokens before its coins."""
    least_funding: int = 10**14
    """Wei below which a first payment is no evidence: it pays for no transaction."""
    payments_in_a_row: bool = True
    """A funder's payments are evidence if few other transactions lie between them."""
    hops: int = 3
    """Go-betweens in a row that first funds are followed through."""
    relay_nonce: int = 5
    """Transactions that a go-between may have sent, apart from those that funded holders."""
    sweep_sources: int = 25
    """Wallets whose tokens may be collected at one address, for it to be their owner's."""
    native_sweeps_of: int = 15
    """Number of largest fresh wallets whose last native payment is looked for."""
    launch_blocks: int = 3
    """Blocks of the launch; who buys there is suspected of having known of it."""
    equal_wallets: int = 4
    """Wallets with equal amounts or regular times from which this is suspicious."""
    funders_of: int = 100_000
    """Number of largest holders whose first funder is looked for."""
    kinds_of: int = 200_000
    """Number of largest holders whose code is read."""
    verify: int = 100_000
    """Number of largest holders whose balance is read from the token's `balanceOf`."""
    holders: int = 5_000
    """Number of largest holders that are listed."""
    least_calls: int = 15_000
    """Calls that an analysis may take, whatever the number of holders."""
    calls_per_holder: Fraction = Fraction(3, 2)
    """Calls that an analysis may take for each holder above dust, if that is more."""

    def as_json(self) -> Mapping[str, int | float]:
        """Return the parameters as the report shows them."""
        return {_camel(each.name): _number(getattr(self, each.name)) for each in fields(self)}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _number(value: Fraction | int) -> int | float:
    return float(value) if isinstance(value, Fraction) else int(value)
