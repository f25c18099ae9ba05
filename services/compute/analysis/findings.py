"""Define what the method finds, by node number; the report shows it by address."""

from collections.abc import Sequence
from dataclasses import dataclass

from compute.analysis.graph import Edge
from contracts.cluster_report import Basis, Confidence, EvidenceType, SuspicionKind


@dataclass(frozen=True, slots=True)
class Group:
    """Represent nodes with one owner, and the evidence for it."""

    nodes: tuple[int, ...]
    edges: tuple[Edge, ...]
    confidence: Confidence
    split: bool = False
    """True if the group was cut out of a component too large for one owner."""


@dataclass(frozen=True, slots=True)
class Distributor:
    """Represent an address that was first for more wallets than one owner has."""

    node: int
    type: EvidenceType
    recipients: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SuspectedGroup:
    """Represent nodes that behaved conspicuously, which is no evidence of one owner."""

    kind: SuspicionKind
    nodes: tuple[int, ...]
    why: str
    """The reason in words, for the report."""
    sightings: tuple[tuple[int, str | None], ...]
    """Block and transaction hash; None for the block as such."""


@dataclass(frozen=True, slots=True)
class ExcludedNode:
    """Represent an address that takes no part in groups."""

    node: int
    basis: Basis
    why: str
    """The reason in words, for the report."""


@dataclass(frozen=True, slots=True)
class UnknownPart:
    """Represent something that the analysis cannot know about some of the nodes."""

    code: str
    text: str
    """What readers should know, as a sentence."""
    nodes: tuple[int, ...] | None = None
    """The nodes that it concerns; None if they are not known."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Hold everything that the method found."""

    groups: Sequence[Group]
    distributors: Sequence[Distributor] = ()
    suspected: Sequence[SuspectedGroup] = ()
    excluded: Sequence[ExcludedNode] = ()
    unknown: Sequence[UnknownPart] = ()
