"""Show what is suspected, excluded and unknown in a report, with the shares that it concerns."""

from collections.abc import Sequence
from typing import Final

from compute.analysis.findings import ExcludedNode, Findings, SuspectedGroup, UnknownPart
from compute.analysis.holdings import Holdings
from compute.analysis.nodes import Nodes
from contracts.chains import checksum_address
from contracts.cluster_report import Exclusion, Limit, Sighting, Suspicion

LISTED: Final = 500
"""Wallets and sightings that a suspicion lists, and addresses that are listed as excluded."""


def suspicions_of(findings: Findings, nodes: Nodes, holdings: Holdings) -> tuple[Suspicion, ...]:
    """Return the suspected groups, those with the largest share first."""
    shown = [_suspicion(each, nodes, holdings) for each in findings.suspected]
    return tuple(sorted(shown, key=lambda s: (-int(s.amount), s.kind, s.wallets)))


def _suspicion(suspected: SuspectedGroup, nodes: Nodes, holdings: Holdings) -> Suspicion:
    amount = holdings.amount_of(suspected.nodes)
    return Suspicion(
        kind=suspected.kind,
        num_wallets=len(suspected.nodes),
        wallets=_largest(suspected.nodes, nodes, holdings),
        amount=str(amount),
        share=holdings.share(amount),
        share_of_supply=holdings.share_of_supply(amount),
        why=suspected.why,
        evidence=tuple(
            Sighting(block=block, tx_hash=tx_hash)
            for block, tx_hash in suspected.sightings[:LISTED]
        ),
    )


def _largest(members: Sequence[int], nodes: Nodes, holdings: Holdings) -> tuple[str, ...]:
    ranked = sorted(members, key=lambda n: (-holdings.balances[n], nodes.addresses[n]))
    return tuple(checksum_address(nodes.addresses[node]) for node in ranked[:LISTED])


def exclusions_of(findings: Findings, nodes: Nodes, holdings: Holdings) -> tuple[Exclusion, ...]:
    """Return the excluded addresses that hold most, the largest first."""
    ranked = sorted(
        findings.excluded, key=lambda e: (-holdings.balances[e.node], nodes.addresses[e.node])
    )
    return tuple(_exclusion(each, nodes, holdings) for each in ranked[:LISTED])


def _exclusion(excluded: ExcludedNode, nodes: Nodes, holdings: Holdings) -> Exclusion:
    node = excluded.node
    label = nodes.labels.get(node)
    return Exclusion(
        address=checksum_address(nodes.addresses[node]),
        kind=nodes.kinds[node],
        basis=excluded.basis,
        why=excluded.why,
        source=label and label.source,
        label=label and label.name,
        amount=str(holdings.balances[node]),
        share_of_supply=holdings.share_of_supply(holdings.balances[node]),
    )


def limits_of(findings: Findings, holdings: Holdings) -> tuple[Limit, ...]:
    """Return what the report cannot know, in the order in which it was found."""
    return tuple(_limit(each, holdings) for each in findings.unknown)


def _limit(unknown: UnknownPart, holdings: Holdings) -> Limit:
    share = (
        None
        if unknown.nodes is None
        else holdings.share_of_supply(holdings.amount_of(unknown.nodes))
    )
    return Limit(code=unknown.code, text=unknown.text, share=share)
