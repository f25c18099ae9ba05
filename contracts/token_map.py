"""Define the map of a token: clusters, largest holders, evidence and transfers in one response."""

from pydantic import Field

from contracts.cluster_report import (
    Amount,
    AsOf,
    ClusterFacts,
    Distribution,
    Evidence,
    Exclusion,
    Flag,
    HolderTransfers,
    Kind,
    Limit,
    Metrics,
    Quality,
    ShownAddress,
    Supply,
    Suspicion,
    TokenFacts,
)
from contracts.messages import Message, UnixTime, View


class MapNode(Message):
    """An address on the map; what is not known or does not apply is left out."""

    address: ShownAddress
    amount: Amount
    kind: Kind
    rank: int | None = Field(None, description="Among all holders, if it is one of the largest.")
    label: str | None = None
    cluster_id: str | None = None
    first_funder: ShownAddress | None = None
    intermediary: bool = Field(
        default=False, description="True if it holds nothing, and is shown because it connects."
    )


class MapCluster(ClusterFacts):
    """A cluster; its members are the nodes that name it."""

    evidence: tuple[Evidence, ...]


class TokenMap(View):
    """All that a map of one report shows; areas follow from `amount`, never from a share."""

    token_address: ShownAddress
    chain: str
    chain_id: int
    as_of: AsOf
    computed_at: UnixTime
    token: TokenFacts
    supply: Supply
    num_clusters: int
    clusters: tuple[MapCluster, ...]
    nodes: tuple[MapNode, ...] = Field(
        description="The members of all clusters, those between them, and the largest holders."
    )
    listed_holders: int = Field(
        description="Holders that the report lists; those that are no nodes hold less."
    )
    transfers: tuple[HolderTransfers, ...] = Field(
        description="Between nodes, the largest amounts first; they show trade, not ownership."
    )
    distributions: tuple[Distribution, ...]
    metrics: Metrics
    flags: tuple[Flag, ...]
    quality: Quality
    suspicions: tuple[Suspicion, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    limits: tuple[Limit, ...] = ()
