"""Hold the objects that the API's features are assembled from; each is created once."""

from dataclasses import dataclass

from chassis.views.read_models import ReadModels
from cognito_jwt import RevocationList, TokenCache
from gateway.api.reports import Reports
from gateway.http.change_feed import ChangeFeed
from gateway.http.client_address import ClientAddresses
from gateway.http.commands import Commands
from gateway.http.keyed_requests import KeyedRequests
from gateway.http.own_documents import OwnDocuments
from gateway.http.sse import EventStreams
from gateway.limits.proof_of_work import ProofOfWork
from gateway.settings import Settings
from readthrough import ReadThrough
from token_bucket import RateLimiter


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Hold what `routes.bind` distributes to features."""

    settings: Settings
    tokens: TokenCache
    revocations: RevocationList
    commands: Commands
    keyed_requests: KeyedRequests
    limiter: RateLimiter
    proofs: ProofOfWork
    addresses: ClientAddresses
    read_models: ReadModels
    own_documents: OwnDocuments
    reports: Reports
    maps: ReadThrough
    """Maps of tokens, made from the parts of a report."""
    changes: ChangeFeed
    streams: EventStreams
