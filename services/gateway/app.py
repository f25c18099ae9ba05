"""Composition root of the gateway: the only place where its objects are made."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener, Outcomes
from chassis.views.read_models import ReadModels
from cognito_jwt import KeySet, Revocations, TokenCache, Verifier
from gateway.api.reports import reports_of
from gateway.auth.authorize import add_routes
from gateway.command_queues import command_queues
from gateway.dependencies import Outside, Parts
from gateway.edge.access_log import AccessLog
from gateway.edge.cors import Cors
from gateway.edge.health import Check, Health
from gateway.edge.metrics import Metrics
from gateway.edge.middleware import Edge
from gateway.edge.server import Guard
from gateway.edge.tracing import Requests
from gateway.http.change_feed import Changes
from gateway.http.commands import Operations
from gateway.http.docs import add_description
from gateway.http.idempotency import Answers
from gateway.http.sse import Lines
from gateway.limits.table import default_limits
from gateway.routes import ROUTES
from gateway.settings import Settings
from token_bucket import Limiter

if TYPE_CHECKING:
    from tracing.spans import Traces

LOUD = ("debug", "info")
"""Levels at which every answer is told."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    settings: Settings
    public: web.Application
    guard: Guard
    """Around the public application: every answer passes it, whoever has made it."""
    internal: web.Application
    """For Prometheus and the platform, never for the world."""
    health: Health
    metrics: Metrics
    parts: Parts
    listener: OutcomeListener
    keys: Sequence[KeySet]


def assemble(settings: Settings, outside: Outside, traces: "Traces | None" = None) -> Gateway:
    """Everything between the port and the bus; nothing is contacted yet."""
    metrics = Metrics()
    listener = OutcomeListener(outside.subscription, Outcomes(outside.redis))
    parts = _parts(settings, outside, listener, metrics)
    health = Health(_checks(outside, parts, listener))
    access = AccessLog(as_json=settings.log_format == "json" and settings.log_level in LOUD)
    requests = None if traces is None else Requests(traces)
    edge = Edge(metrics, parts.cors, health, access, requests)
    app = web.Application(client_max_size=settings.max_body_bytes)
    add_routes(app, ROUTES, parts)
    add_description(app, ROUTES)
    app.on_shutdown.append(parts.lines.end)
    app.on_cleanup.append(access.close)
    internal = web.Application()
    internal.router.add_get("/metrics", metrics.serve)
    for application in (app, internal):
        application.router.add_get("/healthz", health.healthz)
        application.router.add_get("/readyz", health.readyz)
    return Gateway(
        settings, app, edge.guard, internal, health, metrics, parts, listener, outside.keys
    )


def _parts(
    settings: Settings, outside: Outside, listener: OutcomeListener, metrics: Metrics
) -> Parts:
    revocations = Revocations(outside.redis)
    tokens = TokenCache(_verifier(settings, outside.keys), revocations)
    changes, lines = Changes(outside.subscription), Lines()
    metrics.show("gateway_token_cache_hits", "Tokens known.", lambda: tokens.hits)
    metrics.show("gateway_token_cache_misses", "Tokens verified.", lambda: tokens.misses)
    metrics.show("gateway_event_streams", "Open event streams.", lambda: lines.open)
    metrics.show(
        "gateway_jwks_fetches", "Keys asked for.", lambda: sum(k.fetches for k in outside.keys)
    )
    return Parts(
        settings=settings,
        tokens=tokens,
        revocations=revocations,
        operations=Operations(
            sender=CommandSender(outside.publisher, command_queues(settings.stack)),
            outcomes=listener.outcomes,
            listener=listener,
            answers=Answers(outside.redis),
            redis=outside.redis,
        ),
        limiter=Limiter(
            outside.redis,
            default_limits(),
            workers=settings.gateway_workers,
            refused=lambda limit: metrics.refused(limit.name, shadow=limit.shadow),
        ),
        referrals=ReadModels(outside.redis, "referrals"),
        invites=ReadModels(outside.redis, "invites"),
        compute=ReadModels(outside.redis, "compute"),
        reports=reports_of(outside.reports, outside.redis),
        changes=changes,
        lines=lines,
        cors=Cors(settings.cors_origins, {route.method for route in ROUTES}),
    )


def _verifier(settings: Settings, keys: Sequence[KeySet]) -> Verifier:
    pools = [pool.pool() for pool in settings.pools()]
    return Verifier({pool.issuer: (pool, its) for pool, its in zip(pools, keys, strict=True)})


def _checks(outside: Outside, parts: Parts, listener: OutcomeListener) -> dict[str, Check]:
    async def redis() -> bool:
        return bool(await outside.redis.ping())

    async def outcomes() -> bool:
        return listener.listening

    async def keys() -> bool:
        return all(its.known for its in outside.keys)

    async def revocations() -> bool:
        return parts.revocations.loaded

    return {
        "redis": redis,
        "outcomes": outcomes,
        "signing keys": keys,
        "revocations": revocations,
        "bus": outside.bus_ready,
    }


@contextlib.asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    """What works in the background for the time of the context."""
    tasks = [
        asyncio.create_task(gateway.parts.revocations.watch(), name="revocations"),
        asyncio.create_task(gateway.parts.limiter.watch(), name="limits"),
        asyncio.create_task(gateway.parts.changes.listen(), name="changes"),
        *(asyncio.create_task(keys.keep_fresh(), name="keys") for keys in gateway.keys),
    ]
    for task in tasks:
        task.add_done_callback(_tell_if_failed)
    await gateway.listener.start()
    try:
        yield
    finally:
        await gateway.listener.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for keys in gateway.keys:
            await keys.close()


def _tell_if_failed(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background_task_failed", task=task.get_name(), exc_info=error)
