"""State what an analysis cannot know, and which holders that concerns."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from compute.analysis.acts import Acts
from compute.analysis.amounts import reaches
from compute.analysis.findings import Group, UnknownPart


def limits_of(acts: Acts, groups: Sequence[Group]) -> list[UnknownPart]:
    """Return what is not known about the holders above dust that are in no group."""
    nodes, funders, ledger = acts.nodes, acts.facts.funders, acts.ledger
    least = max(1, ceil(acts.parameters.supply_share * ledger.supply))
    alone = reaches(ledger.balances.size, least) & ledger.balances.positive
    alone &= nodes.wallets[: len(alone)]
    alone[[node for group in groups for node in group.nodes if node < len(alone)]] = False
    by_service, unknown, unasked = [], [], []
    for node in np.flatnonzero(alone).tolist():
        address = nodes.addresses[node]
        if address not in funders:
            unasked.append(node)
        elif (funding := funders[address]) is None:
            unknown.append(node)
        elif not nodes.is_wallet(nodes.index[funding.funder]):
            by_service.append(node)
    parts = [
        UnknownPart("funded_by_services", _BY_SERVICE, tuple(by_service)),
        UnknownPart("funder_unknown", _UNKNOWN, tuple(unknown)),
        UnknownPart("funder_not_examined", _UNASKED, tuple(unasked)),
    ]
    return [part for part in parts if part.nodes]


_BY_SERVICE = (
    "These wallets got their first coins from an exchange or another service. If some of them have "
    "one owner, no transaction shows it."
)
_UNKNOWN = (
    "These wallets got their first coins in a way that shows no sender, such as a contract or a "
    "mixer. If some of them have one owner, no transaction shows it."
)
_UNASKED = "The first funders of these wallets were not examined."
