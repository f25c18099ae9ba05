"""Add up who holds the supply, by kind of holder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from contracts.cluster_report import Kind, Supply

_INFRASTRUCTURE: Final = ("contract", "bridge", "pool", "locker")


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Hold each node's part of the supply, and the totals by kind."""

    balances: Sequence[int]
    """By node, never negative, in the token's smallest unit."""
    kinds: Sequence[Kind]
    totals: Counter[str]
    """By kind."""

    @property
    def circulating(self) -> int:
        """Sum of the balances of personal accounts."""
        return self.totals["eoa"]

    def base_of(self, kind: Kind) -> int:
        """Return the amount that a holder's share refers to; infrastructure holds none of it."""
        return self.circulating if kind == "eoa" else self.totals.total()

    def amount_of(self, nodes: Iterable[int]) -> int:
        """Return what these nodes hold together."""
        return sum(self.balances[node] for node in nodes)

    def share(self, amount: int) -> float:
        """Return an amount as a share of the circulating supply."""
        return share_of(amount, self.circulating)

    def share_of_supply(self, amount: int) -> float:
        """Return an amount as a share of the total supply."""
        return share_of(amount, self.totals.total())

    def wallets(self) -> list[int]:
        """Return the personal accounts that hold something."""
        return [n for n, b in enumerate(self.balances) if b > 0 and self.kinds[n] == "eoa"]

    def holders(self) -> int:
        """Count the nodes that hold something."""
        return sum(balance > 0 for balance in self.balances)

    def supply(self) -> Supply:
        """Return the shares of the total supply."""
        total = self.totals.total()
        return Supply(
            burned=share_of(self.totals["burn"], total),
            contracts=share_of(sum(self.totals[kind] for kind in _INFRASTRUCTURE), total),
            exchanges=share_of(self.totals["exchange"], total),
            circulating=share_of(self.circulating, total),
        )


def holdings_of(nodes: Nodes, ledger: Ledger, total_supply: int) -> Holdings:
    """Add up the balances; `total_supply` is what the token itself reports.

    The zero address sent what was minted. What it received counts as burned only if the token
    still counts it in its supply.
    """
    balances = [max(0, balance) for balance in nodes.balances]
    zero = nodes.index.get(ZERO)
    if zero is not None:
        burned = total_supply - ledger.supply
        balances[zero] = burned if burned == ledger.received_by(zero) else 0
    totals: Counter[str] = Counter()
    for balance, kind in zip(balances, nodes.kinds, strict=True):
        totals[kind] += balance
    return Holdings(balances, nodes.kinds, totals)


def share_of(part: int, total: int) -> float:
    """Return a share between 0 and 1, rounded to twelve digits; 0 of an empty total."""
    return min(1.0, round(part / total, 12)) if total > 0 else 0.0
