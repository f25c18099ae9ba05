"""Build the report: clusters with their shares and evidence, metrics, flags and quality."""

import hashlib
from dataclasses import dataclass

from compute.analysis.amount_limits import amount_limits
from compute.analysis.disclosures import exclusions_of, limits_of, suspicions_of
from compute.analysis.findings import Distributor, Findings, Group
from compute.analysis.flags import flags_of
from compute.analysis.graph import Edge
from compute.analysis.holdings import Holdings
from compute.analysis.labels import Labels
from compute.analysis.ledger import Ledger
from compute.analysis.metrics import metrics_of, quality_of
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import ALGORITHM, Parameters
from compute.chain_facts import ChainFacts
from contracts.chains import checksum_address
from contracts.cluster_report import (
    AsOf,
    Cluster,
    ClusterReport,
    Distribution,
    Evidence,
    Member,
    TokenFacts,
)


@dataclass(frozen=True, slots=True, eq=False)
class ReportBuilder:
    """Build the output of an analysis from its findings."""

    ledger: Ledger
    nodes: Nodes
    facts: ChainFacts
    labels: Labels
    parameters: Parameters
    findings: Findings
    """With the groups in the order in which the report shows them."""
    holdings: Holdings
    chain: str
    """The chain's name."""
    computed_at: int
    """UNIX seconds."""

    def build(self) -> ClusterReport:
        """Build the report; its clusters are in the order of the groups."""
        holdings = self.holdings
        clusters = self._clusters(holdings)
        metrics = metrics_of(self.nodes, holdings, self.facts, self.findings.groups, clusters)
        quality = quality_of(self.ledger, holdings, self.facts)
        return ClusterReport(
            token_address=checksum_address(self.facts.token.address),
            chain=self.chain,
            chain_id=self.facts.chain_id,
            as_of=self._as_of(),
            computed_at=self.computed_at,
            algorithm=ALGORITHM,
            label_set=self.labels.version,
            parameters=self.parameters.as_json(),
            token=self._token(),
            supply=holdings.shares(),
            clusters=clusters,
            num_clusters=len(clusters),
            distributions=self._distributions(holdings),
            metrics=metrics,
            flags=flags_of(clusters, metrics, quality),
            quality=quality,
            suspicions=suspicions_of(self.findings, self.nodes, holdings),
            exclusions=exclusions_of(self.findings, self.nodes, holdings),
            limits=(
                *amount_limits(holdings, quality, self.facts),
                *limits_of(self.findings, holdings),
            ),
        )

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

    def _clusters(self, holdings: Holdings) -> tuple[Cluster, ...]:
        return tuple(
            self._cluster(group, rank, holdings)
            for rank, group in enumerate(self.findings.groups, start=1)
        )

    def _cluster(self, group: Group, rank: int, holdings: Holdings) -> Cluster:
        balances, addresses = holdings.balances, self.nodes.addresses
        names = sorted(addresses[node] for node in group.nodes)
        members = sorted(group.nodes, key=lambda n: (-balances[n], addresses[n]))
        amount = holdings.amount_of(group.nodes)
        return Cluster(
            id=_cluster_id(self.facts.chain_id, self.facts.token.address, names[0]),
            rank=rank,
            share=holdings.share(amount),
            share_of_supply=holdings.share_of_supply(amount),
            amount=str(amount),
            num_members=len(members),
            label="deployer" if self.facts.token.deployer in names else None,
            confidence=group.confidence,
            split=group.split,
            members=tuple(self._member(node, holdings) for node in members),
            evidence=tuple(self._evidence(edge) for edge in sorted(group.edges, key=_by_time)),
        )

    def _member(self, node: int, holdings: Holdings) -> Member:
        address, balance = self.nodes.addresses[node], holdings.balances[node]
        funding = self.facts.funders.get(address)
        return Member(
            address=checksum_address(address),
            share=holdings.share(balance),
            share_of_supply=holdings.share_of_supply(balance),
            amount=str(balance),
            kind=self.nodes.kinds[node],
            label=self.nodes.label_name(node),
            first_funder=funding and checksum_address(funding.funder),
        )

    def _evidence(self, edge: Edge) -> Evidence:
        names = self.nodes.addresses
        return Evidence(
            type=edge.type,
            from_=checksum_address(names[edge.source]),
            to=checksum_address(names[edge.target]),
            tx_hash=edge.tx_hash,
            block=edge.block,
            why=edge.why,
            via=tuple(checksum_address(names[node]) for node in edge.via),
        )

    def _distributions(self, holdings: Holdings) -> tuple[Distribution, ...]:
        listed = [self._distribution(each, holdings) for each in self.findings.distributors]
        return tuple(sorted(listed, key=lambda d: (-d.recipients, d.source, d.type)))

    def _distribution(self, distributor: Distributor, holdings: Holdings) -> Distribution:
        amount = holdings.amount_of(distributor.recipients)
        return Distribution.model_validate(
            {
                "source": checksum_address(self.nodes.addresses[distributor.node]),
                "type": distributor.type,
                "recipients": len(distributor.recipients),
                "share": holdings.share(amount),
                "share_of_supply": holdings.share_of_supply(amount),
                "label": self.nodes.label_name(distributor.node),
            }
        )


def _by_time(edge: Edge) -> tuple[int, str, str, int]:
    return edge.block, edge.tx_hash, edge.type, edge.target


def _cluster_id(chain_id: int, token: str, smallest: str) -> str:
    """Return an id that stays while the smallest address of the cluster stays."""
    return "c_" + hashlib.sha256(f"{chain_id}/{token}/{smallest}".encode()).hexdigest()[:20]
