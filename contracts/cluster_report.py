"""Define the report of a token's clusters, the views of it, and how two reports differ."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from contracts.messages import Message, UnixTime, View

Amount = Annotated[
    str, Field(pattern=r"^\d+$", description="A decimal string, in the token's smallest unit.")
]
SignedAmount = Annotated[
    str,
    Field(pattern=r"^-?\d+$", description="A decimal string, in the token's smallest unit."),
]
Share = Annotated[float, Field(ge=0, le=1)]
CirculatingShare = Annotated[Share, Field(description="Of the circulating supply.")]
SupplyShare = Annotated[
    Share | None,
    Field(description="Of the total supply; null in reports that were made without it."),
]
ShownAddress = Annotated[str, Field(description="With the checksum of EIP-55.")]
Kind = Literal["eoa", "contract", "exchange", "bridge", "pool", "locker", "burn", "service"]
"""`service`: an account that behaves as exchanges and other services do, without a label."""
Confidence = Literal["high", "medium", "low"]
EvidenceType = Literal[
    "firstFunder", "firstSource", "deposit", "sweep", "bundle", "nativeSweep", "creation"
]
SuspicionKind = Literal["snipers", "bundlers", "insiders", "equalAmounts", "serialTimes"]
Basis = Literal["label", "code", "behaviour", "convention"]
"""What the exclusion of an address rests on."""


class AsOf(Message):
    """The block that a report describes."""

    block: int
    block_hash: str
    timestamp: UnixTime
    finalized: bool


class TokenFacts(Message):
    """What the token's contract says about itself."""

    name: str | None
    symbol: str | None
    decimals: int | None
    total_supply: Amount
    deployer: ShownAddress | None


class Supply(Message):
    """How the supply is distributed; the five shares add up to 1."""

    burned: Share
    contracts: Share = Field(description="Held by contracts, pools, lockers and bridges.")
    exchanges: Share = Field(description="Held by exchanges and other services.")
    circulating: Share = Field(
        description="Held by people; what each `share` refers to. `shareOfSupply` refers to all."
    )
    unknown: Share = Field(
        default=0, description="Counted by `totalSupply()`, held by addresses that are not known."
    )


class Member(Message):
    address: ShownAddress
    share: CirculatingShare
    share_of_supply: SupplyShare = None
    amount: Amount
    kind: Kind
    label: str | None = None
    first_funder: ShownAddress | None = None


class Evidence(Message):
    """Why two addresses are attributed to one owner, and the transaction that shows it."""

    type: EvidenceType
    from_: ShownAddress = Field(alias="from")
    to: ShownAddress
    tx_hash: str
    block: int
    why: str
    via: tuple[ShownAddress, ...] = Field(
        (), description="The addresses that the payment passed through, in order."
    )


class ClusterFacts(Message):
    """Describe a cluster without its members and its evidence."""

    id: str = Field(description="Unchanged while the member with the lowest address is unchanged.")
    rank: int
    share: CirculatingShare
    share_of_supply: SupplyShare = None
    amount: Amount
    num_members: int
    label: str | None = None
    confidence: Confidence
    split: bool = Field(
        default=False, description="True if it was too large to be one owner's, and was split."
    )


class Cluster(ClusterFacts):
    """Wallets that are attributed to one owner."""

    members: tuple[Member, ...]
    evidence: tuple[Evidence, ...]


class Distribution(Message):
    """A source or funder of more wallets than one owner has: it connects no wallets."""

    source: ShownAddress
    type: Literal["firstSource", "firstFunder", "sweep"]
    recipients: int
    share: Share = Field(description="Of the circulating supply, held by all recipients together.")
    share_of_supply: SupplyShare = None
    label: str | None = None


class Sighting(Message):
    """A transaction, or a block without a particular one, in which something was seen."""

    block: int
    tx_hash: str | None = None


class Suspicion(Message):
    """Wallets that behaved conspicuously; it does not follow that they have one owner."""

    kind: SuspicionKind
    num_wallets: int
    wallets: tuple[ShownAddress, ...] = Field(description="The largest holders among them.")
    amount: Amount
    share: CirculatingShare
    share_of_supply: SupplyShare = None
    why: str
    evidence: tuple[Sighting, ...]


class Exclusion(Message):
    """An address that takes no part in clusters, and the reason."""

    address: ShownAddress
    kind: Kind
    basis: Basis
    why: str
    source: str | None = Field(None, description="Where its label was published.")
    label: str | None = None
    amount: Amount
    share_of_supply: SupplyShare = None


class Limit(Message):
    """Something that the report cannot know, or does not state exactly."""

    code: str
    text: str
    share: Share | None = Field(
        None, description="Of the total supply, that this concerns; null if it is not known."
    )


class Concentration(Message):
    top10: Share
    hhi: Share = Field(description="Herfindahl-Hirschman index; 1 if one holder has everything.")
    effective_holders: float = Field(ge=0, description="1/HHI.")
    gini: Share
    nakamoto: int = Field(ge=0, description="The smallest number of holders with more than half.")


class Metrics(Message):
    per_address: Concentration
    per_entity: Concentration = Field(description="Each cluster counts as one holder.")
    largest_cluster_share: Share
    deployer_cluster_share: Share
    fresh_wallet_share: Share = Field(
        description="Held by wallets that were funded less than a week before the pinned block."
    )


class Flag(Message):
    """Something that readers should pay attention to."""

    code: str
    severity: Literal["low", "medium", "high"]
    severity_index: int = Field(ge=0, le=20)
    evidence: str


class Quality(Message):
    """How reliable the report is."""

    balances_verified: bool = Field(
        description="True if the transfers add up to totalSupply and the largest balances agree."
    )
    funding_known: Share = Field(
        description="Share of the examined holders whose first funder is known."
    )
    logs: int
    warnings: tuple[str, ...] = ()


class ClusterReport(View):
    """Which wallets hold a token together, their shares, and the evidence."""

    token_address: ShownAddress
    chain: str
    chain_id: int
    as_of: AsOf
    computed_at: UnixTime
    algorithm: str
    label_set: str
    parameters: Mapping[str, float | int]
    token: TokenFacts
    supply: Supply
    clusters: tuple[Cluster, ...]
    num_clusters: int
    distributions: tuple[Distribution, ...]
    metrics: Metrics
    flags: tuple[Flag, ...]
    quality: Quality
    suspicions: tuple[Suspicion, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    limits: tuple[Limit, ...] = ()


class Freshness(Message):
    state: Literal["fresh", "stale"]
    age_seconds: int
    job_id: str | None = Field(None, description="The job that computes a newer report.")


ALWAYS = ("tokenAddress", "chain", "chainId", "asOf", "computedAt")
"""Members that are part of every response, whichever are requested."""


class ServedReport(ClusterReport):
    """A report, or the requested members of it, and its age."""

    model_config = ConfigDict(json_schema_extra={"required": list(ALWAYS)})
    freshness: Freshness | None = None


class BalanceChange(Message):
    """What a holder received less what they sent, in the time before the report's block."""

    day: SignedAmount = Field(description="In 24 hours.")
    week: SignedAmount = Field(description="In 7 days.")
    month: SignedAmount = Field(description="In 30 days.")


class Holder(Message):
    address: ShownAddress
    rank: int
    amount: Amount
    share: Share = Field(
        description="Of the circulating supply; for infrastructure, of the total supply."
    )
    share_of_supply: SupplyShare = None
    kind: Kind
    label: str | None = None
    label_source: str | None = Field(None, description="Where the label was published.")
    cluster_id: str | None = None
    change: BalanceChange | None = Field(
        None, description="Null if the transfers do not add up to the holder's balance."
    )


class HoldersPage(View):
    """The largest holders in one report."""

    computed_at: UnixTime
    items: tuple[Holder, ...]
    next: str | None = None


class GraphNode(Message):
    id: ShownAddress
    cluster_id: str | None
    share: CirculatingShare
    share_of_supply: SupplyShare = None
    kind: Kind
    label: str | None = None
    intermediary: bool = Field(
        default=False, description="True if it holds nothing, and is shown because it connects."
    )


class GraphEdge(Message):
    source: ShownAddress
    target: ShownAddress
    type: EvidenceType
    tx_hash: str
    via: tuple[ShownAddress, ...] = ()


class BlockTime(Message):
    """A block and its time."""

    block: int
    timestamp: UnixTime | None = Field(
        None, description="Estimated from the blocks around it; null if it cannot be."
    )


class HolderTransfers(Message):
    """All transfers from one shown holder to another."""

    source: ShownAddress
    target: ShownAddress
    amount: Amount
    count: int
    first: BlockTime
    last: BlockTime


class ClusterGraph(View):
    """Members as nodes, evidence as edges, and what the largest holders sent each other."""

    computed_at: UnixTime
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    transfers: tuple[HolderTransfers, ...] = Field(
        (), description="The largest amounts first; they show trade, not ownership."
    )


class TokenMetadata(View):
    """What is known about a token itself."""

    token_address: ShownAddress
    chain: str
    chain_id: int
    as_of: AsOf
    computed_at: UnixTime
    token: TokenFacts
    created: BlockTime
    supply: Supply
    holders: int
    transfers: int


class TokenScoreComponent(Message):
    """One part of a score."""

    name: Literal[
        "largestEntity", "topTen", "deployer", "spread", "freshWallets", "suspicions", "verified"
    ]
    weight: int = Field(ge=0, le=100, description="The weights of all components add up to 100.")
    value: float = Field(description="What was measured.")
    score: float = Field(ge=0, le=100, description="100 is the best.")
    why: str


class TokenScore(View):
    """How widely a token is held, from 0 to 100, and the parts of that number."""

    computed_at: UnixTime
    as_of: AsOf
    score: int | None = Field(ge=0, le=100, description="Null if there is nothing to measure.")
    rules: str = Field(description="The version of components and weights.")
    components: tuple[TokenScoreComponent, ...]
    limits: tuple[Limit, ...] = ()


class HolderChartPoint(Message):
    """How many addresses held a token after a block."""

    block: int
    timestamp: UnixTime | None = None
    holders: int
    transfers: int = Field(description="All transfers so far.")
    top10: Share = Field(description="Of what personal wallets held then; by today's kinds.")


class HolderChart(View):
    """The number of holders over time, by the transfers."""

    computed_at: UnixTime
    as_of: AsOf
    items: tuple[HolderChartPoint, ...] = Field(description="The earliest first.")


class ReportMetrics(View):
    """The summary of one analysis."""

    computed_at: UnixTime
    as_of: AsOf
    num_clusters: int
    holders: int
    transfers: int
    circulating: Share
    metrics: Metrics


class HistoryPage(View):
    """The summaries of all analyses, newest first."""

    items: tuple[ReportMetrics, ...]
    next: str | None = None


class ClusterChange(Message):
    """A cluster that has changed."""

    id: str
    change: Literal["new", "gone", "grown", "shrunk", "merged", "split"]
    share_before: Share
    share_after: Share
    joined: tuple[ShownAddress, ...] = ()
    left: tuple[ShownAddress, ...] = ()
    others: tuple[str, ...] = Field(
        (), description="The clusters that it was merged from or split into."
    )


class ReportDiff(View):
    """What changed between two reports of one token."""

    before: AsOf
    after: AsOf
    share_moved: float = Field(
        ge=0, description="Half the sum of the changes of all clusters' shares."
    )
    changes: tuple[ClusterChange, ...]


def compare(older: ClusterReport, newer: ClusterReport) -> ReportDiff:
    """Return how each cluster has changed, judged by its members.

    A newer cluster that shares members with several older ones was merged; newer clusters that
    share members with the same older one were split. A cluster whose members and share are
    unchanged is left out.
    """
    before = {cluster.id: cluster for cluster in older.clusters}
    after = {cluster.id: cluster for cluster in newer.clusters}
    came_from = _origins(before, after)
    went_to = _origins(after, before)
    changes = [
        change
        for change in (
            *(_of_new(after[new], before, after, came_from[new], went_to) for new in after),
            *(_of_gone(before[old]) for old in before if not went_to[old]),
        )
        if change is not None
    ]
    moved = sum(abs(change.share_after - change.share_before) for change in changes) / 2
    return ReportDiff(
        before=older.as_of, after=newer.as_of, share_moved=moved, changes=tuple(changes)
    )


def _names(cluster: Cluster) -> frozenset[str]:
    return frozenset(member.address for member in cluster.members)


def _origins(
    sources: Mapping[str, Cluster], targets: Mapping[str, Cluster]
) -> dict[str, tuple[str, ...]]:
    """Return, for each cluster of `targets`, the clusters of `sources` that share its members."""
    home = {name: key for key, cluster in sources.items() for name in _names(cluster)}
    return {
        key: tuple(sorted({home[name] for name in _names(cluster) if name in home}))
        for key, cluster in targets.items()
    }


def _of_new(
    cluster: Cluster,
    before: Mapping[str, Cluster],
    after: Mapping[str, Cluster],
    origins: tuple[str, ...],
    went_to: Mapping[str, tuple[str, ...]],
) -> ClusterChange | None:
    earlier = frozenset(name for key in origins for name in _names(before[key]))
    siblings = tuple(key for key in went_to[origins[0]] if key != cluster.id) if origins else ()
    later = frozenset(name for key in siblings if key in after for name in _names(after[key]))
    share = sum(before[key].share for key in origins)
    joined, left = _names(cluster) - earlier, earlier - _names(cluster) - later
    if not origins:
        change = "new"
    elif len(origins) > 1:
        change = "merged"
    elif siblings:
        change, share = "split", before[origins[0]].share
    elif joined and len(joined) >= len(left):
        change = "grown"
    elif left:
        change = "shrunk"
    elif cluster.share != share:
        change = "grown" if cluster.share > share else "shrunk"
    else:
        return None
    return ClusterChange.model_validate(
        {
            "id": cluster.id,
            "change": change,
            "share_before": min(1.0, share),
            "share_after": cluster.share,
            "joined": tuple(sorted(joined)),
            "left": tuple(sorted(left)),
            "others": origins if len(origins) > 1 else siblings,
        }
    )


def _of_gone(cluster: Cluster) -> ClusterChange:
    return ClusterChange(
        id=cluster.id,
        change="gone",
        share_before=cluster.share,
        share_after=0,
        left=tuple(sorted(_names(cluster))),
    )
