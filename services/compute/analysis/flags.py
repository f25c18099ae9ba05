"""Flag findings for the reader of a report, as stable codes with a severity."""

from collections.abc import Sequence
from typing import Final

from contracts.cluster_report import Cluster, Flag, Metrics, Quality

CONCENTRATED_HHI: Final = 0.18
"""HHI above which the 2023 US merger guidelines call a market highly concentrated."""


def flags_of(clusters: Sequence[Cluster], metrics: Metrics, quality: Quality) -> tuple[Flag, ...]:
    """Return the flags of a report, the most severe first."""
    found = [*_cluster_flags(clusters), *_metrics_flags(metrics), *_quality_flags(quality)]
    return tuple(sorted(found, key=lambda flag: (-flag.severity_index, flag.code)))


def _cluster_flags(clusters: Sequence[Cluster]) -> list[Flag]:
    flags = []
    if clusters and clusters[0].share >= 0.2:  # noqa: PLR2004  the code names the limit
        flags.append(_flag("largest_cluster_over_20pct", 16, clusters[0].id))
    elif clusters and clusters[0].share >= 0.1:  # noqa: PLR2004
        flags.append(_flag("largest_cluster_over_10pct", 12, clusters[0].id))
    flags += [
        _flag("deployer_cluster_over_10pct", 16, cluster.id)
        for cluster in clusters
        if cluster.label == "deployer" and cluster.share >= 0.1  # noqa: PLR2004
    ]
    flags += [_flag("component_split", 4, c.id) for c in clusters if c.split]
    return flags


def _metrics_flags(metrics: Metrics) -> list[Flag]:
    flags = []
    if metrics.per_entity.hhi > CONCENTRATED_HHI:
        flags.append(_flag("highly_concentrated", 14, f"perEntity.hhi {metrics.per_entity.hhi}"))
    if metrics.per_entity.top10 > 0.5:  # noqa: PLR2004  the code names the limit
        top = f"perEntity.top10 {metrics.per_entity.top10}"
        flags.append(_flag("top10_over_50pct", 10, top))
    if metrics.fresh_wallet_share > 0.3:  # noqa: PLR2004
        fresh = f"freshWalletShare {metrics.fresh_wallet_share}"
        flags.append(_flag("fresh_wallets_over_30pct", 8, fresh))
    return flags


def _quality_flags(quality: Quality) -> list[Flag]:
    if quality.balances_verified:
        return []
    return [_flag("balances_not_verified", 18, ", ".join(quality.warnings))]


def _flag(code: str, index: int, evidence: str) -> Flag:
    severity = "high" if index >= 14 else "medium" if index >= 8 else "low"  # noqa: PLR2004
    return Flag.model_validate(
        {"code": code, "severity": severity, "severity_index": index, "evidence": evidence}
    )
