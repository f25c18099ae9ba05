"""Build a small report of a token's clusters, for tests that serve or store one."""

from contracts.cluster_report import (
    AsOf,
    Cluster,
    ClusterReport,
    Concentration,
    Evidence,
    Member,
    Metrics,
    Quality,
    ReportMetrics,
    Supply,
    TokenFacts,
)

SHOWN = "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
BLOCK = "0x" + "cd" * 32
CONCENTRATION = Concentration(top10=0.5, hhi=0.1, effective_holders=10, gini=0.5, nakamoto=3)
METRICS = Metrics(
    per_address=CONCENTRATION,
    per_entity=CONCENTRATION,
    largest_cluster_share=0.2,
    deployer_cluster_share=0,
    fresh_wallet_share=0,
)


def as_of(at: int) -> AsOf:
    return AsOf(block=at, block_hash=BLOCK, timestamp=at, finalized=True)


def report(at: int, *members: str, share: float = 0.2) -> ClusterReport:
    names = members or ("0xA", "0xB")
    cluster = Cluster(
        id="c_1",
        rank=1,
        share=share,
        amount="20",
        num_members=len(names),
        confidence="medium",
        members=tuple(
            Member(address=name, share=share / len(names), amount="10", kind="eoa")
            for name in names
        ),
        evidence=(
            Evidence.model_validate(
                {
                    "type": "firstSource",
                    "from": "0xA",
                    "to": "0xB",
                    "txHash": BLOCK,
                    "block": 1,
                    "why": "first",
                }
            ),
        ),
    )
    return ClusterReport(
        token_address=SHOWN,
        chain="ethereum",
        chain_id=1,
        as_of=as_of(at),
        computed_at=at,
        algorithm="first-source/1",
        label_set="none",
        parameters={"hubCap": 50},
        token=TokenFacts(name="T", symbol="T", decimals=18, total_supply="100", deployer=None),
        supply=Supply(burned=0, contracts=0, exchanges=0, circulating=1),
        clusters=(cluster,),
        num_clusters=1,
        distributions=(),
        metrics=METRICS,
        flags=(),
        quality=Quality(balances_verified=True, funding_known=1, logs=3),
    )


def summary(at: int) -> bytes:
    metrics = ReportMetrics(
        computed_at=at,
        as_of=as_of(at),
        num_clusters=1,
        holders=3,
        transfers=3,
        circulating=1,
        metrics=METRICS,
    )
    return metrics.model_dump_json().encode()
