"""Add the gauges of the gateway's parts to its metrics."""

from collections.abc import Sequence

from chassis.bus.outcomes import OutcomeListener
from cognito_jwt import KeySet
from gateway.dependencies import Dependencies
from gateway.edge.metrics import Metrics


def add_gauges(
    metrics: Metrics,
    dependencies: Dependencies,
    listener: OutcomeListener,
    keys: Sequence[KeySet],
) -> None:
    """Add the gauges, whose values are read on each scrape."""
    tokens, streams = dependencies.tokens, dependencies.streams
    metrics.add_gauge("gateway_token_cache_hits", "Tokens found in the cache.", lambda: tokens.hits)
    metrics.add_gauge(
        "gateway_token_cache_misses", "Tokens whose signature was checked.", lambda: tokens.misses
    )
    metrics.add_gauge("gateway_event_streams", "Open event streams.", lambda: streams.open)
    metrics.add_gauge(
        "gateway_unreadable_outcomes",
        "Published outcomes that this build cannot read.",
        lambda: listener.subscription.unreadable,
    )
    metrics.add_gauge(
        "gateway_jwks_fetches", "Requests for signing keys.", lambda: sum(k.fetches for k in keys)
    )
    metrics.add_gauge(
        "gateway_jwks_age_seconds",
        "Seconds since the signing keys were fetched; of the pool where that is longest ago.",
        lambda: max((k.age_seconds for k in keys), default=0.0),
    )
