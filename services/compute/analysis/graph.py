"""Group nodes by the links between them: components, attachments and bridges."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.cluster_report import EvidenceType

Groups = NDArray[np.int32]
"""The number of each node's component."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Represent one piece of evidence that two nodes have the same owner."""

    type: EvidenceType
    source: int
    target: int
    tx_hash: str
    block: int
    why: str
    """The reason in words, for the report."""
    via: tuple[int, ...] = ()
    """The nodes that the payment passed through, in order."""


def components(count: int, sources: NDArray[np.uint32], targets: NDArray[np.uint32]) -> Groups:
    """Return the number of its component for each of `count` nodes."""
    # only the process that analyses needs scipy, which takes 25 MB
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ones = np.ones(len(sources), np.uint8)
    graph = coo_array((ones, (sources, targets)), shape=(count, count))
    groups: Groups = connected_components(graph, directed=False)[1]
    return groups


def attaching(
    groups: Groups, sources: NDArray[np.uint32], targets: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """Return which sweeps join two components: those of a component that sweeps to only one other.

    A component that sweeps to two others joins neither. So an address that several components
    sweep to never connects strangers: each component decides where its own money goes.
    """
    own, other = groups[sources], groups[targets]
    leaving = own != other
    pairs = np.unique(np.stack((own[leaving], other[leaving])), axis=1)[0]
    count = np.bincount(pairs, minlength=int(groups.max(initial=0)) + 1)
    return np.asarray(leaving & (count[own] == 1), bool)


def by_group(groups: Groups, edges: Iterable[Edge]) -> dict[int, list[Edge]]:
    """Return the edges of each component."""
    found: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[int(groups[edge.source])].append(edge)
    return found


Neighbours = dict[int, list[tuple[int, int]]]
"""Node -> (neighbour, number of the edge)."""


def splitting_bridges(edges: Sequence[Edge]) -> list[Edge]:
    """Return the bridges whose removal leaves two parts of at least two nodes each.

    A bridge is an edge without which its component falls apart (Tarjan 1974). Several edges
    between the same two nodes are no bridges, since each one holds without the others.
    """
    neighbours: Neighbours = defaultdict(list)
    for number, edge in enumerate(edges):
        neighbours[edge.source].append((edge.target, number))
        neighbours[edge.target].append((edge.source, number))
    search = _BridgeSearch(neighbours)
    found = []
    for root in neighbours:
        if root not in search.order:
            bridges = list(search.run(root))
            total = search.size[root]
            found += [edges[number] for number, part in bridges if 1 < part < total - 1]
    return found


class _BridgeSearch:
    """Search depth-first for bridges, without recursion: a component can be very deep."""

    def __init__(self, neighbours: Neighbours) -> None:
        self.neighbours = neighbours
        self.order: dict[int, int] = {}
        """When each node was reached."""
        self.low: dict[int, int] = {}
        """The earliest node that can be reached from below each node."""
        self.size: dict[int, int] = {}
        """Nodes below each node, itself included."""

    def run(self, root: int) -> Iterator[tuple[int, int]]:
        """Yield (edge number, nodes below it) of each bridge in the component of `root`."""
        path = [self._enter(root, -1)]
        while path:
            node, by, ahead = path[-1]
            step = next(ahead, None)
            if step is None:
                path.pop()
                if path and self._leave(path[-1][0], node):
                    yield by, self.size[node]
                continue
            neighbour, number = step
            if number == by:
                continue
            if neighbour in self.order:
                self.low[node] = min(self.low[node], self.order[neighbour])
            else:
                path.append(self._enter(neighbour, number))

    def _enter(self, node: int, by: int) -> tuple[int, int, Iterator[tuple[int, int]]]:
        self.order[node] = self.low[node] = len(self.order)
        self.size[node] = 1
        return node, by, iter(self.neighbours[node])

    def _leave(self, parent: int, node: int) -> bool:
        """Return True if the edge from `parent` to `node` is a bridge."""
        self.low[parent] = min(self.low[parent], self.low[node])
        self.size[parent] += self.size[node]
        return self.low[node] > self.order[parent]
