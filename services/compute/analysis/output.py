"""Assemble everything that one analysis produces: the report, and what is served separately."""

from dataclasses import dataclass, replace

from compute.analysis.findings import Findings, Group
from compute.analysis.flows import changes_of, flows_between
from compute.analysis.holder_chart import holder_chart
from compute.analysis.holdings import Holdings, holdings_of
from compute.analysis.labels import Labels
from compute.analysis.ledger import Ledger
from compute.analysis.listings import graph_of, list_holders, shown_nodes
from compute.analysis.nodes import Nodes
from compute.analysis.parameters import Parameters
from compute.analysis.report import ReportBuilder
from compute.analysis.score import score_of
from compute.analysis.times import BlockClock, clock_of
from compute.chain_facts import ChainFacts
from contracts.cluster_report import (
    BlockTime,
    ClusterGraph,
    ClusterReport,
    Holder,
    HolderChart,
    ReportMetrics,
    TokenMetadata,
    TokenScore,
)


@dataclass(frozen=True, slots=True)
class AnalysisOutput:
    """Hold everything that one analysis produces."""

    report: ClusterReport
    holders: tuple[Holder, ...]
    graph: ClusterGraph
    summary: ReportMetrics
    metadata: TokenMetadata
    score: TokenScore
    chart: HolderChart


def output_of(
    ledger: Ledger,
    nodes: Nodes,
    facts: ChainFacts,
    findings: Findings,
    *,
    labels: Labels,
    parameters: Parameters,
    chain: str,
    computed_at: int,
) -> AnalysisOutput:
    """Return the output of an analysis that had these findings."""
    nodes = replace(nodes, kinds=nodes.kinds.replaced(nodes.services, "service"))
    holdings, clock = holdings_of(nodes, ledger, facts), clock_of(facts)
    findings = replace(findings, groups=_ranked(findings, holdings))
    report = ReportBuilder(
        ledger, nodes, facts, labels, parameters, findings, holdings, chain, computed_at
    ).build()
    listed = holdings.balances.largest(parameters.holders)
    shown = shown_nodes(listed, findings, report.clusters)
    flows = flows_between(shown, nodes, ledger, clock)
    ledger.release()
    changes = changes_of(listed, holdings, ledger, facts, clock)
    return AnalysisOutput(
        report=report,
        holders=list_holders(listed, nodes, holdings, report.clusters, changes),
        graph=graph_of(
            shown, nodes, holdings, report.clusters, transfers=flows, computed_at=computed_at
        ),
        summary=_summary(report, holdings),
        metadata=_metadata(report, holdings, facts, clock),
        score=score_of(report, nodes, holdings, findings, facts),
        chart=HolderChart(
            computed_at=computed_at,
            as_of=report.as_of,
            items=holder_chart(nodes, ledger, facts, clock),
        ),
    )


def _ranked(findings: Findings, holdings: Holdings) -> tuple[Group, ...]:
    """Return the groups by what they hold, the largest first."""
    return tuple(
        sorted(findings.groups, key=lambda group: (-holdings.amount_of(group.nodes), group.nodes))
    )


def _summary(report: ClusterReport, holdings: Holdings) -> ReportMetrics:
    return ReportMetrics(
        computed_at=report.computed_at,
        as_of=report.as_of,
        num_clusters=report.num_clusters,
        holders=holdings.holders(),
        transfers=report.quality.logs,
        circulating=report.supply.circulating,
        metrics=report.metrics,
    )


def _metadata(
    report: ClusterReport, holdings: Holdings, facts: ChainFacts, clock: BlockClock
) -> TokenMetadata:
    created = facts.token.created_block
    return TokenMetadata(
        token_address=report.token_address,
        chain=report.chain,
        chain_id=report.chain_id,
        as_of=report.as_of,
        computed_at=report.computed_at,
        token=report.token,
        created=BlockTime(block=created, timestamp=clock.time_of(created)),
        supply=report.supply,
        holders=holdings.holders(),
        transfers=report.quality.logs,
    )
