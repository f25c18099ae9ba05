"""List the holders and the graph of a report, which are served separately."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from compute.analysis.findings import Findings
from compute.analysis.holdings import Holdings, share_of
from compute.analysis.nodes import Nodes
from contracts.chains import checksum_address
from contracts.cluster_report import (
    BalanceChange,
    Cluster,
    ClusterGraph,
    GraphEdge,
    GraphNode,
    Holder,
    HolderTransfers,
)

SHOWN: Final = 250
"""Largest holders that a graph shows in addition to the members of clusters."""


def list_holders(
    listed: Sequence[int],
    nodes: Nodes,
    holdings: Holdings,
    clusters: Iterable[Cluster],
    changes: Mapping[int, BalanceChange],
) -> tuple[Holder, ...]:
    """Return these holders, ranked in the given order."""
    cluster_of = {member.address: cluster.id for cluster in clusters for member in cluster.members}

    def holder(rank: int, node: int, balance: int) -> Holder:
        address = checksum_address(nodes.addresses[node])
        label = nodes.labels.get(node)
        return Holder(
            address=address,
            rank=rank,
            amount=str(balance),
            share=share_of(balance, holdings.base_of(nodes.kinds[node])),
            share_of_supply=holdings.share_of_supply(balance),
            kind=nodes.kinds[node],
            label=label and label.name,
            label_source=label and label.source,
            cluster_id=cluster_of.get(address),
            change=changes.get(node),
        )

    balances = holdings.balances.of_nodes(listed)
    return tuple(
        holder(rank, node, balance)
        for rank, (node, balance) in enumerate(zip(listed, balances, strict=True), start=1)
    )


def shown_nodes(
    listed: Sequence[int], findings: Findings, clusters: Sequence[Cluster]
) -> dict[int, str | None]:
    """Return the nodes of the graph, each with the id of its cluster.

    They are the members of clusters, the intermediaries between them, and the largest holders.
    """
    shown: dict[int, str | None] = {}
    for number, group in enumerate(findings.groups):
        cluster_id = clusters[number].id
        shown |= dict.fromkeys(group.nodes, cluster_id)
    for number, group in enumerate(findings.groups):
        for node in (node for edge in group.edges for node in edge.via):
            shown.setdefault(node, clusters[number].id)
    for node in listed[:SHOWN]:
        shown.setdefault(node, None)
    return shown


def graph_of(
    shown: Mapping[int, str | None],
    nodes: Nodes,
    holdings: Holdings,
    clusters: Iterable[Cluster],
    *,
    transfers: tuple[HolderTransfers, ...],
    computed_at: int,
) -> ClusterGraph:
    """Return the shown nodes, the evidence of the clusters as edges, and the transfers."""
    connecting = set(_connecting(shown, holdings))
    return ClusterGraph(
        computed_at=computed_at,
        nodes=tuple(
            GraphNode(
                id=checksum_address(nodes.addresses[node]),
                cluster_id=cluster_id,
                share=share_of(holdings.balances[node], holdings.base_of(nodes.kinds[node])),
                share_of_supply=holdings.share_of_supply(holdings.balances[node]),
                kind=nodes.kinds[node],
                label=nodes.label_name(node),
                intermediary=node in connecting,
            )
            for node, cluster_id in shown.items()
        ),
        edges=tuple(
            GraphEdge(source=e.from_, target=e.to, type=e.type, tx_hash=e.tx_hash, via=e.via)
            for cluster in clusters
            for e in cluster.evidence
        ),
        transfers=transfers,
    )


def _connecting(shown: Iterable[int], holdings: Holdings) -> Iterator[int]:
    """Yield the nodes that hold nothing: they are shown because they connect others."""
    return (node for node in shown if holdings.balances[node] == 0)
