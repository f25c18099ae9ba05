"""Add up who holds the supply, by kind of holder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.chain_facts import ChainFacts
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
    unknown: int
    """Part of the total supply that none of the nodes holds."""
    differing: tuple[int, ...]
    """Nodes whose `balanceOf` is not what the transfers add up to."""
    incredible: tuple[int, ...]
    """Nodes whose `balanceOf` is more than all that exists: what the transfers say is shown."""
    unverified: tuple[int, ...]
    """Nodes that hold something by the transfers, and whose `balanceOf` is not known."""

    @property
    def circulating(self) -> int:
        """Sum of the balances of personal accounts."""
        return self.totals["eoa"]

    @property
    def held(self) -> int:
        """Sum of all balances."""
        return self.totals.total()

    @property
    def supply(self) -> int:
        """The total supply: what is held, and what is held by unknown addresses."""
        return self.held + self.unknown

    def base_of(self, kind: Kind) -> int:
        """Return the amount that a holder's share refers to; infrastructure holds none of it."""
        return self.circulating if kind == "eoa" else self.supply

    def amount_of(self, nodes: Iterable[int]) -> int:
        """Return what these nodes hold together."""
        return sum(self.balances[node] for node in nodes)

    def share(self, amount: int) -> float:
        """Return an amount as a share of the circulating supply."""
        return share_of(amount, self.circulating)

    def share_of_supply(self, amount: int) -> float:
        """Return an amount as a share of the total supply."""
        return share_of(amount, self.supply)

    def wallets(self) -> list[int]:
        """Return the personal accounts that hold something."""
        return [n for n, b in enumerate(self.balances) if b > 0 and self.kinds[n] == "eoa"]

    def holders(self) -> int:
        """Count the nodes that hold something."""
        return sum(balance > 0 for balance in self.balances)

    def shares(self) -> Supply:
        """Return the shares of the total supply."""
        return Supply(
            burned=self.share_of_supply(self.totals["burn"]),
            contracts=self.share_of_supply(sum(self.totals[kind] for kind in _INFRASTRUCTURE)),
            exchanges=self.share_of_supply(self.totals["exchange"]),
            circulating=self.share_of_supply(self.circulating),
            unknown=self.share_of_supply(self.unknown),
        )


def holdings_of(nodes: Nodes, ledger: Ledger, facts: ChainFacts) -> Holdings:
    """Add up what each node holds: `balanceOf` where it is known, else what the transfers say.

    What the token reports as its supply counts only if at least half of it is held: then the rest
    is held by addresses that are not known.
    """
    balances = [max(0, balance) for balance in nodes.balances]
    zero, said = nodes.index.get(ZERO), facts.token.total_supply
    if zero is not None:
        balances[zero] = _burned(nodes, ledger, zero, facts)
    known = _known(nodes, facts)
    ceiling = max(said, sum(balances))
    incredible = tuple(node for node, balance in known.items() if balance > ceiling)
    for node in incredible:
        del known[node]
    differing = tuple(n for n, balance in known.items() if balance != nodes.balances[n])
    for node, balance in known.items():
        balances[node] = balance
    totals: Counter[str] = Counter()
    for balance, kind in zip(balances, nodes.kinds, strict=True):
        totals[kind] += balance
    held = totals.total()
    asked = known.keys() | {zero}
    return Holdings(
        balances,
        nodes.kinds,
        totals,
        unknown=said - held if held < said <= 2 * held else 0,
        differing=differing,
        incredible=incredible,
        unverified=tuple(n for n, b in enumerate(balances) if b > 0 and n not in asked),
    )


def _known(nodes: Nodes, facts: ChainFacts) -> dict[int, int]:
    """Return the `balanceOf` of each node but the zero address."""
    return {
        nodes.index[address]: balance
        for address, balance in facts.balances.items()
        if balance is not None and address in nodes.index and address != ZERO
    }


def _burned(nodes: Nodes, ledger: Ledger, zero: int, facts: ChainFacts) -> int:
    """Return what was sent to the zero address, if the token still counts it in its supply.

    It sent what was minted. Some tokens count that in its `balanceOf`, beyond all bounds.
    """
    received = ledger.received_by(zero) if zero < nodes.holders_end else 0
    balance = facts.balances.get(ZERO)
    if balance is not None:
        return min(balance, received)
    return received if facts.token.total_supply == ledger.supply + received else 0


def share_of(part: int, total: int) -> float:
    """Return a share between 0 and 1, rounded to twelve digits; 0 of an empty total."""
    return min(1.0, round(part / total, 12)) if total > 0 else 0.0
