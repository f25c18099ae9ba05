"""Compare the clusters of a report with the true owners of a world."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from benchmarks.worlds.people import INFRASTRUCTURE
from benchmarks.worlds.world import World
from contracts.cluster_report import ClusterReport, Confidence


@dataclass(frozen=True, slots=True)
class JudgedCluster:
    """Describe one cluster of a report."""

    confidence: Confidence
    mixed: bool
    """True if its members have several owners."""
    members: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Describe how right a report is about one world."""

    precision: float
    recall: float | None
    """None if no pair is required."""
    suspected: float | None
    """Share of the suspects that the report points out; None if there are none."""
    clusters: tuple[JudgedCluster, ...]
    holders: int

    @property
    def accusations(self) -> int:
        """Number of clusters rated "high" that mix owners."""
        return sum(each.mixed and each.confidence == "high" for each in self.clusters)


def judge(world: World, report: ClusterReport) -> Verdict:
    """Compare pairs of holders, and all members of each cluster."""
    holders = {name for name, held in world.tokens.items() if held.now > 0}
    uncertain = {pair for group in world.uncertain for pair in _pairs(group)}
    groups = [frozenset(m.address.lower() for m in c.members) for c in report.clusters]
    right = wrong = 0
    for group in groups:
        same, mixed = _count(world, group & holders, uncertain)
        right, wrong = right + same, wrong + mixed
    found = {pair for group in groups for pair in _pairs(group & holders)}
    required = {pair for group in world.required for pair in _pairs(group & holders)}
    return Verdict(
        precision=right / (right + wrong) if right + wrong else 1.0,
        recall=len(found & required) / len(required) if required else None,
        suspected=_suspected(world, report, groups),
        clusters=tuple(
            JudgedCluster(each.confidence, _count(world, group, uncertain)[1] > 0, len(group))
            for each, group in zip(report.clusters, groups, strict=True)
        ),
        holders=len(holders),
    )


def _suspected(
    world: World, report: ClusterReport, groups: Iterable[frozenset[str]]
) -> float | None:
    if not world.suspects:
        return None
    named = {name.lower() for each in report.suspicions for name in each.wallets}
    return len(world.suspects & named.union(*groups)) / len(world.suspects)


def _pairs(group: Iterable[str]) -> Iterable[tuple[str, str]]:
    return combinations(sorted(group), 2)


def _count(world: World, group: frozenset[str], uncertain: set[tuple[str, str]]) -> tuple[int, int]:
    """Return the pairs of a group that have one owner, and those that have two."""
    by_owner = Counter(_owner(world, name) for name in group)
    same = sum(count * (count - 1) // 2 for count in by_owner.values())
    mixed = len(group) * (len(group) - 1) // 2 - same
    if not uncertain or not mixed:
        return same, mixed
    neutral = sum(
        _owner(world, a) != _owner(world, b) and (a, b) in uncertain for a, b in _pairs(group)
    )
    return same, mixed - neutral


def _owner(world: World, name: str) -> int | str:
    """Return the owner of an address; a contract that belongs to no person is its own."""
    return world.owners.get(name, INFRASTRUCTURE) or name
