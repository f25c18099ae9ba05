"""Add up who holds the supply, by kind of holder."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from compute.analysis.amounts import Mask
from compute.analysis.balances import Balances
from compute.analysis.kinds import are
from compute.analysis.labels import ZERO
from compute.analysis.ledger import Ledger
from compute.analysis.nodes import Nodes
from compute.chain_facts import ChainFacts
from contracts.cluster_report import Kind, Supply

_INFRASTRUCTURE: Final = ("contract", "bridge", "pool", "locker")


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Hold each node's part of the supply, and the totals by kind."""

    balances: Balances
    """By node, never negative, in the token's smallest unit."""
    kinds: Sequence[Kind]
    wallets: Mask
    """By node: a personal account that holds something."""
    totals: Counter[str]
    """By kind."""
    unknown: int
    """Part of the total supply that none of the nodes holds."""
    differing: tuple[int, ...]
    """Nodes whose `balanceOf` is not what the transfers add up to."""
    incredible: tuple[int, ...]
    """Nodes whose `balanceOf` is more than all that exists: what the transfers say is shown."""
    unverified: int
    """What the nodes hold, by the transfers, whose `balanceOf` is not known."""

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
        return sum(self.balances.of_nodes(list(nodes)))

    def share(self, amount: int) -> float:
        """Return an amount as a share of the circulating supply."""
        return share_of(amount, self.circulating)

    def share_of_supply(self, amount: int) -> float:
        """Return an amount as a share of the total supply."""
        return share_of(amount, self.supply)

    def holders(self) -> int:
        """Count the nodes that hold something."""
        return int(self.balances.positive.sum())

    def shares(self) -> Supply:
        """Return the shares of the total supply."""
        return Supply(
            burned=self.share_of_supply(self.totals["burn"]),
            contracts=self.share_of_supply(sum(self.totals[kind] for kind in _INFRASTRUCTURE)),
            exchanges=self.share_of_supply(self.totals["exchange"] + self.totals["service"]),
            circulating=self.share_of_supply(self.circulating),
            unknown=self.share_of_supply(self.unknown),
        )


def holdings_of(nodes: Nodes, ledger: Ledger, facts: ChainFacts) -> Holdings:
    """Add up what each node holds: `balanceOf` where it is known, else what the transfers say.

    What the token reports as its supply counts only if at least half of it is held: then the rest
    is held by addresses that are not known.
    """
    logged = ledger.balances.extended(len(nodes.kinds) - len(ledger.balances))
    zero, said = nodes.index.get(ZERO), facts.token.total_supply
    known = _known(nodes, facts)
    if zero is not None:
        known[zero] = _burned(nodes, ledger, zero, facts)
    ceiling = max(said, logged.total(logged.positive))
    incredible = tuple(node for node, balance in known.items() if balance > ceiling)
    for node in incredible:
        del known[node]
    balances = _replaced(logged, known)
    by_kind = {kind: are(nodes.kinds, kind) for kind in get_args(Kind)}
    totals = Counter({kind: balances.total(mask) for kind, mask in by_kind.items()})
    held, asked = totals.total(), np.zeros(len(nodes.kinds), bool)
    asked[list(known)] = True
    return Holdings(
        balances,
        nodes.kinds,
        by_kind["eoa"] & balances.positive,
        totals,
        unknown=said - held if held < said <= 2 * held else 0,
        differing=tuple(n for n, each in known.items() if n != zero and each != logged[n]),
        incredible=incredible,
        unverified=balances.total(~asked),
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


def _replaced(logged: Balances, known: Mapping[int, int]) -> Balances:
    """Return the balances with those that are known instead; none is below zero."""
    values = _digits(list(known.values()))
    width = max(len(logged.size), len(values))
    size = np.zeros((width, len(logged)), np.uint32)
    size[: len(logged.size)] = np.where(logged.negative, 0, logged.size)
    at = list(known)
    size[:, at] = 0
    size[: len(values), at] = values
    return Balances(size, np.zeros(len(logged), bool))


def _digits(values: Collection[int]) -> NDArray[np.uint32]:
    """Return amounts as a column of digits; a sum of amounts may have more than 256 bits."""
    width = max(1, -(-max(values, default=0).bit_length() // 32))
    raw = b"".join(value.to_bytes(4 * width, "little") for value in values)
    return np.frombuffer(raw, "<u4").reshape(-1, width).T.astype(np.uint32)


def share_of(part: int, total: int) -> float:
    """Return a share between 0 and 1, rounded to twelve digits; 0 of an empty total."""
    return min(1.0, round(part / total, 12)) if total > 0 else 0.0
