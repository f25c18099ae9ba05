"""What the method can be tuned by; all of it is told in the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

ALGORITHM: Final = "first-source/1"


@dataclass(frozen=True, slots=True)
class Parameters:
    receiver_share: Fraction = Fraction(1, 20)
    """A first source gave at least so much of all that the wallet ever received."""
    supply_share: Fraction = Fraction(1, 1_000_000)
    """Less than this share of the supply is dust: it is evidence of nothing."""
    sweep_share: Fraction = Fraction(1, 2)
    """A sweep is more than so much of all that a wallet ever sent."""
    hub_cap: int = 50
    """Whoever was first for more wallets than this is no owner of them but a distributor."""
    split_above: int = 500
    """A larger component is cut at its weakest links."""
    funders_of: int = 1_000
    """The largest holders whose first funder is looked for."""
    kinds_of: int = 20_000
    """The largest holders that are asked whether they are contracts."""
    verify: int = 100
    """The largest holders whose balance is compared with the token's own word."""
    holders: int = 5_000
    """The largest holders that are listed."""

    def told(self) -> Mapping[str, int | float]:
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
