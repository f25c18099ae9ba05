"""From links to groups: what unites, what only attaches, and where a group is thin."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from contracts.cluster_report import EvidenceType

Groups = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Edge:
    """Why two nodes are taken for one owner's."""

    type: EvidenceType
    source: int
    target: int
    tx_hash: str
    block: int
    why: str


def components(count: int, sources: NDArray[np.uint32], targets: NDArray[np.uint32]) -> Groups:
    """For each of `count` nodes the number of its component."""
    ones = np.ones(len(sources), np.uint8)
    graph = coo_array((ones, (sources, targets)), shape=(count, count))
    groups: Groups = connected_components(graph, directed=False)[1]
    return groups


def attached(
    groups: Groups, sources: NDArray[np.uint32], targets: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """Which sweeps join two components: those of a component that sweeps to exactly one other.

    A component that sweeps to two joins neither. So whoever is swept to is never a bridge between
    strangers: each of them decides where its own money goes.
    """
    mine, other = groups[sources], groups[targets]
    leaving = mine != other
    goals = np.unique(np.stack((mine[leaving], other[leaving])), axis=1)[0]
    count = np.bincount(goals, minlength=int(groups.max(initial=0)) + 1)
    return np.asarray(leaving & (count[mine] == 1), bool)


def thin_links(edges: Sequence[Edge]) -> list[Edge]:
    """Edges without which a group would fall into two parts of at least two nodes each.

    Bridges, by depth-first search (Tarjan 1974), of the graph in which several pieces of evidence
    between the same two nodes hold it twice.
    """
    neighbours: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, edge in enumerate(edges):
        neighbours[edge.source].append((edge.target, number))
        neighbours[edge.target].append((edge.source, number))
    thin = []
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    size: dict[int, int] = {}
    for root, around in neighbours.items():
        if root in order:
            continue
        found: list[tuple[int, int]] = []
        order[root] = low[root] = len(order)
        size[root] = 1
        path = [(root, -1, iter(around))]
        while path:
            node, by, ahead = path[-1]
            step = next(ahead, None)
            if step is None:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                    size[parent] += size[node]
                    if low[node] > order[parent]:
                        found.append((by, size[node]))
            elif step[1] != by:
                goal, number = step
                if goal in order:
                    low[node] = min(low[node], order[goal])
                else:
                    order[goal] = low[goal] = len(order)
                    size[goal] = 1
                    path.append((goal, number, iter(neighbours[goal])))
        whole = size[root]
        thin += [edges[number] for number, part in found if 1 < part < whole - 1]
    return thin


def by_group(groups: Groups, edges: Iterable[Edge]) -> dict[int, list[Edge]]:
    found: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        found[int(groups[edge.source])].append(edge)
    return found
