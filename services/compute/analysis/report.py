"""The report: clusters with their shares and evidence, metrics, flags, and how far to trust it."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from compute.analysis.components import Edge
from compute.analysis.concentration import concentration
from compute.analysis.flags import flags_of
from compute.analysis.labels import ZERO, Labels
from compute.analysis.ledger import Ledger
from compute.analysis.method import Distributor, Group, Scene
from compute.analysis.parameters import ALGORITHM, Parameters
from compute.facts import Facts
from contracts.chains import checksum_address
from contracts.cluster_report import (
    AsOf,
    Cluster,
    ClusterGraph,
    ClusterReport,
    Distribution,
    Evidence,
    GraphEdge,
    GraphNode,
    Holder,
    Member,
    Metrics,
    Quality,
    ReportMetrics,
    Supply,
    TokenFacts,
)

WEEK_SECONDS: Final = 7 * 86_400
_INFRASTRUCTURE: Final = frozenset({"contract", "bridge", "pool", "locker"})


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that one analysis comes to."""

    report: ClusterReport
    holders: tuple[Holder, ...]
    graph: ClusterGraph
    summary: ReportMetrics


@dataclass(frozen=True, slots=True, eq=False)
class Telling:
    """What a report is told from."""

    ledger: Ledger
    stage: Scene
    facts: Facts
    labels: Labels
    parameters: Parameters
    groups: Sequence[Group]
    hubs: Sequence[Distributor]
    chain: str
    computed_at: int

    def analysis(self) -> Analysis:
        held = self._held()
        clusters = self._clusters(held.circulating)
        metrics = self._metrics(held, clusters)
        quality = self._quality()
        report = ClusterReport(
            token_address=checksum_address(self.facts.token.address),
            chain=self.chain,
            chain_id=self.facts.chain_id,
            as_of=self._as_of(),
            computed_at=self.computed_at,
            algorithm=ALGORITHM,
            label_set=self.labels.version,
            parameters=self.parameters.told(),
            token=self._token(),
            supply=held.supply(),
            clusters=clusters,
            num_clusters=len(clusters),
            distributions=self._distributions(held.circulating),
            metrics=metrics,
            flags=flags_of(clusters, metrics, quality),
            quality=quality,
        )
        homes = _homes(clusters)
        return Analysis(
            report,
            self._holders(held, homes),
            self._graph(clusters),
            self._summary(report, held),
        )

    def _held(self) -> "Held":
        stage = self.stage
        zero = stage.places.get(ZERO)
        balances = [max(0, balance) for balance in stage.balances]
        if zero is not None:  # what it sent was minted; what it got counts if the supply says so
            burned = self.facts.token.total_supply - self.ledger.supply
            balances[zero] = burned if burned == _received(self.ledger, zero) else 0
        return Held.of(balances, stage.kinds)

    def _as_of(self) -> AsOf:
        pinned = self.facts.pinned
        return AsOf(
            block=pinned.number,
            block_hash=pinned.hash,
            timestamp=pinned.timestamp,
            finalized=pinned.finalized,
        )

    def _token(self) -> TokenFacts:
        token = self.facts.token
        return TokenFacts(
            name=token.name,
            symbol=token.symbol,
            decimals=token.decimals,
            total_supply=str(token.total_supply),
            deployer=token.deployer and checksum_address(token.deployer),
        )

    # Clusters

    def _clusters(self, circulating: int) -> tuple[Cluster, ...]:
        ranked = sorted(self.groups, key=lambda group: (-self._amount(group), group.nodes))
        return tuple(
            self._cluster(group, rank, circulating) for rank, group in enumerate(ranked, start=1)
        )

    def _amount(self, group: Group) -> int:
        return sum(max(0, self.stage.balances[node]) for node in group.nodes)

    def _cluster(self, group: Group, rank: int, circulating: int) -> Cluster:
        names = sorted(self.stage.names[node] for node in group.nodes)
        members = sorted(group.nodes, key=lambda n: (-self.stage.balances[n], self.stage.names[n]))
        amount = self._amount(group)
        return Cluster(
            id=_cluster_id(self.facts.chain_id, self.facts.token.address, names[0]),
            rank=rank,
            share=_share(amount, circulating),
            amount=str(amount),
            num_members=len(members),
            label="deployer" if self.facts.token.deployer in names else None,
            confidence=group.confidence,
            split=group.split,
            members=tuple(self._member(node, circulating) for node in members),
            evidence=tuple(self._evidence(edge) for edge in sorted(group.edges, key=_by_time)),
        )

    def _member(self, node: int, circulating: int) -> Member:
        name, balance = self.stage.names[node], max(0, self.stage.balances[node])
        funding = self.facts.funders.get(name)
        return Member(
            address=checksum_address(name),
            share=_share(balance, circulating),
            amount=str(balance),
            kind=self.stage.kinds[node],
            label=self._label(node),
            first_funder=funding and checksum_address(funding.funder),
        )

    def _evidence(self, edge: Edge) -> Evidence:
        return Evidence(
            type=edge.type,
            from_=checksum_address(self.stage.names[edge.source]),
            to=checksum_address(self.stage.names[edge.target]),
            tx_hash=edge.tx_hash,
            block=edge.block,
            why=edge.why,
        )

    def _label(self, node: int) -> str | None:
        label = self.stage.labels.get(node)
        return None if label is None else label.name

    def _distributions(self, circulating: int) -> tuple[Distribution, ...]:
        told = [
            Distribution.model_validate(
                {
                    "source": checksum_address(self.stage.names[hub.node]),
                    "type": hub.type,
                    "recipients": len(hub.recipients),
                    "share": _share(
                        sum(max(0, self.stage.balances[n]) for n in hub.recipients), circulating
                    ),
                    "label": self._label(hub.node),
                }
            )
            for hub in self.hubs
        ]
        return tuple(sorted(told, key=lambda d: (-d.recipients, d.source, d.type)))

    # Numbers

    def _metrics(self, held: "Held", clusters: Sequence[Cluster]) -> Metrics:
        people, whole = held.people(), held.circulating
        shares = {n: held.balances[n] / whole for n in people}
        homes = {n: number for number, g in enumerate(self.groups) for n in g.nodes}
        entities: dict[int, float] = {}
        for node, share in shares.items():  # a wallet of no cluster is an entity of its own
            entity = homes.get(node, -1 - node)
            entities[entity] = entities.get(entity, 0.0) + share
        return Metrics(
            per_address=concentration(np.fromiter(shares.values(), float)),
            per_entity=concentration(np.fromiter(entities.values(), float)),
            largest_cluster_share=max((c.share for c in clusters), default=0.0),
            deployer_cluster_share=sum(c.share for c in clusters if c.label == "deployer"),
            fresh_wallet_share=min(1.0, sum(shares.get(n, 0.0) for n in self._fresh())),
        )

    def _fresh(self) -> list[int]:
        """Whoever was set up in the last week."""
        since = self.facts.pinned.timestamp - WEEK_SECONDS
        return [
            self.stage.places[name]
            for name, funding in self.facts.funders.items()
            if funding is not None and funding.timestamp > since and name in self.stage.places
        ]

    def _quality(self) -> Quality:
        asked = self.facts.funders
        known = sum(funding is not None for funding in asked.values())
        verified, warnings = self._verified()
        return Quality(
            balances_verified=verified,
            funding_known=known / len(asked) if asked else 0.0,
            logs=len(self.ledger.transfers),
            warnings=tuple(dict.fromkeys((*self.facts.warnings, *warnings))),
        )

    def _verified(self) -> tuple[bool, list[str]]:
        """Whether the log tells the same as the token itself, and where it does not."""
        warnings = []
        total, supply = self.facts.token.total_supply, self.ledger.supply
        zero = self.stage.places.get(ZERO)
        lost = 0 if zero is None else _received(self.ledger, zero)
        if total not in (supply, supply + lost):
            warnings.append("supply_differs_from_transfers")
        names, balances = self.stage.places, self.stage.balances
        if any(balances[names[a]] != said for a, said in self.facts.balances.items() if a in names):
            warnings.append("balances_differ_from_transfers")
        if any(b < 0 for n, b in enumerate(balances) if n != zero):
            warnings.append("negative_balances")
        return not warnings, warnings

    # Views

    def _holders(self, among: "Held", homes: Mapping[str, str]) -> tuple[Holder, ...]:
        stage = self.stage
        held = [n for n, balance in enumerate(stage.balances) if balance > 0]
        largest = heapq.nsmallest(
            self.parameters.holders, held, key=lambda n: (-stage.balances[n], stage.names[n])
        )
        told = []
        for rank, node in enumerate(largest, start=1):
            address = checksum_address(stage.names[node])
            told.append(
                Holder(
                    address=address,
                    rank=rank,
                    amount=str(stage.balances[node]),
                    share=_share(stage.balances[node], among.whole_of(stage.kinds[node])),
                    kind=stage.kinds[node],
                    label=self._label(node),
                    cluster_id=homes.get(address),
                )
            )
        return tuple(told)

    def _graph(self, clusters: Iterable[Cluster]) -> ClusterGraph:
        nodes, edges = [], []
        for cluster in clusters:
            nodes += [
                GraphNode(
                    id=member.address,
                    cluster_id=cluster.id,
                    share=member.share,
                    kind=member.kind,
                    label=member.label,
                )
                for member in cluster.members
            ]
            edges += [
                GraphEdge(source=e.from_, target=e.to, type=e.type, tx_hash=e.tx_hash)
                for e in cluster.evidence
            ]
        return ClusterGraph(computed_at=self.computed_at, nodes=tuple(nodes), edges=tuple(edges))

    def _summary(self, report: ClusterReport, held: "Held") -> ReportMetrics:
        return ReportMetrics(
            computed_at=self.computed_at,
            as_of=report.as_of,
            num_clusters=report.num_clusters,
            holders=sum(balance > 0 for balance in held.balances),
            transfers=len(self.ledger.transfers),
            circulating=report.supply.circulating,
            metrics=report.metrics,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Who holds what, by kind."""

    balances: Sequence[int]
    kinds: Sequence[str]
    totals: Counter[str]
    """By kind."""

    @classmethod
    def of(cls, balances: Sequence[int], kinds: Sequence[str]) -> "Held":
        totals: Counter[str] = Counter()
        for balance, kind in zip(balances, kinds, strict=True):
            totals[kind] += balance
        return cls(balances, kinds, totals)

    @property
    def circulating(self) -> int:
        return self.totals["eoa"]

    def whole_of(self, kind: str) -> int:
        """What a holder's share is a share of: infrastructure is no part of what circulates."""
        return self.circulating if kind == "eoa" else sum(self.totals.values())

    def people(self) -> list[int]:
        return [n for n, b in enumerate(self.balances) if b > 0 and self.kinds[n] == "eoa"]

    def supply(self) -> Supply:
        whole = sum(self.totals.values())
        return Supply(
            burned=_share(self.totals["burn"], whole),
            contracts=_share(sum(self.totals[kind] for kind in _INFRASTRUCTURE), whole),
            exchanges=_share(self.totals["exchange"], whole),
            circulating=_share(self.circulating, whole),
        )


def _received(ledger: Ledger, place: int) -> int:
    digits = ledger.received[:, place].tolist()
    return sum(int(digit) << (32 * n) for n, digit in enumerate(digits))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 12) if whole > 0 else 0.0


def _by_time(edge: Edge) -> tuple[int, str, str, int]:
    return edge.block, edge.tx_hash, edge.type, edge.target


def _cluster_id(chain_id: int, token: str, smallest: str) -> str:
    return "c_" + hashlib.sha256(f"{chain_id}/{token}/{smallest}".encode()).hexdigest()[:20]


def _homes(clusters: Iterable[Cluster]) -> dict[str, str]:
    return {member.address: cluster.id for cluster in clusters for member in cluster.members}
