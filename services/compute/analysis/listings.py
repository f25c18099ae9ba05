"""List the holders and the graph of a report, which are served separately."""

from collections.abc import Iterable

from compute.analysis.holdings import Holdings, share_of
from compute.analysis.nodes import Nodes
from contracts.chains import checksum_address
from contracts.cluster_report import Cluster, ClusterGraph, GraphEdge, GraphNode, Holder


def largest_holders(
    nodes: Nodes, holdings: Holdings, clusters: Iterable[Cluster], count: int
) -> tuple[Holder, ...]:
    """Return the `count` largest holders, the largest first."""
    cluster_of = {member.address: cluster.id for cluster in clusters for member in cluster.members}
    listed = []
    for rank, node in enumerate(holdings.balances.largest(count), start=1):
        address, balance, kind = (
            checksum_address(nodes.addresses[node]), holdings.balances[node], nodes.kinds[node],
        )  # fmt: skip
        listed.append(
            Holder(
                address=address,
                rank=rank,
                amount=str(balance),
                share=share_of(balance, holdings.base_of(kind)),
                share_of_supply=holdings.share_of_supply(balance),
                kind=kind,
                label=nodes.label_name(node),
                label_source=nodes.labels[node].source if node in nodes.labels else None,
                cluster_id=cluster_of.get(address),
            )
        )
    return tuple(listed)


def graph_of(clusters: Iterable[Cluster], computed_at: int) -> ClusterGraph:
    """Return the clusters' members as nodes and their evidence as edges."""
    nodes, edges = [], []
    for cluster in clusters:
        nodes += [
            GraphNode(
                id=member.address,
                cluster_id=cluster.id,
                share=member.share,
                share_of_supply=member.share_of_supply,
                kind=member.kind,
                label=member.label,
            )
            for member in cluster.members
        ]
        edges += [
            GraphEdge(source=e.from_, target=e.to, type=e.type, tx_hash=e.tx_hash, via=e.via)
            for e in cluster.evidence
        ]
    return ClusterGraph(computed_at=computed_at, nodes=tuple(nodes), edges=tuple(edges))
