"""Define the thresholds of the method; a report lists all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

ALGORITHM: Final = "first-source/1"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Hold the thresholds of the method "first source"."""

    receiver_share: Fraction = Fraction(1, 20)
    """Least share of all a wallet ever received that must come from its first source."""
    supply_share: Fraction = Fraction(1, 1_000_000)
    """Share of the supply below which an amount is dust, which is no evidence."""
    sweep_share: Fraction = Fraction(1, 2)
    """Share of all a wallet ever sent above which a recipient counts as its sweep target."""
    hub_cap: int = 50
    """Wallets an address may be first for; with more it is a distributor, not an owner."""
    split_above: int = 500
    """Nodes above which a component is cut at its bridges."""
    funders_of: int = 1_000
    """Number of largest holders whose first funder is looked for."""
    kinds_of: int = 20_000
    """Number of largest holders that are checked for contract code."""
    verify: int = 100_000
    """Number of largest holders whose balance is read from the token's `balanceOf`."""
    holders: int = 5_000
    """Number of largest holders that are listed."""

    def as_json(self) -> Mapping[str, int | float]:
        """Return the parameters as the report shows them."""
        return {
            "receiverShare": float(self.receiver_share),
            "supplyShare": float(self.supply_share),
            "sweepShare": float(self.sweep_share),
            "hubCap": self.hub_cap,
            "splitAbove": self.split_above,
            "fundersOf": self.funders_of,
            "kindsOf": self.kinds_of,
            "verify": self.verify,
        }
