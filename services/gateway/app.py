"""Assemble the gateway: the only place where its objects are created."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from chassis.bus.commands import CommandSender
from chassis.bus.outcomes import OutcomeListener, Outcomes
from chassis.resilience.supervision import supervise
from chassis.run.health import Health
from chassis.views.read_models import ReadModels
from cognito_jwt import KeySet, RevocationList, TokenCache, Verifier
from gateway.api.reports import reports_of
from gateway.api.token_map import maps_of
from gateway.clients import Clients
from gateway.dependencies import Dependencies
from gateway.edge.access_log import AccessLog
from gateway.edge.aiohttp_internals import Middleware
from gateway.edge.cors import Cors
from gateway.edge.endpoint import Admission, add_routes
from gateway.edge.metrics import Metrics
from gateway.edge.middleware import RequestMiddleware
from gateway.edge.page_limits import PageLimits
from gateway.edge.tracing import RequestTracing
from gateway.edge.worker_metrics import WorkerMetrics, metrics_of_others
from gateway.edge.workers import worker_number
from gateway.gauges import add_gauges
from gateway.http.change_feed import ChangeFeed
from gateway.http.client_address import ClientAddresses
from gateway.http.commands import Commands
from gateway.http.docs import Description, add_description
from gateway.http.idempotency import StoredResponses
from gateway.http.keyed_requests import KeyedRequests
from gateway.http.openapi import describe
from gateway.http.own_documents import OwnDocuments
from gateway.http.preferences import WaitTimes
from gateway.http.redis_losses import RedisLosses
from gateway.http.sent_commands import SentCommands
from gateway.http.sse import EventStreams
from gateway.http.web_pages import WebPages
from gateway.limits.proof_of_work import ProofOfWork
from gateway.limits.rate_limit import PREFIX_GROUPS
from gateway.limits.table import LIMIT_OVERRIDES, default_limits
from gateway.readiness import checks
from gateway.routes import ROUTES, bind
from gateway.settings import Settings
from token_bucket import RateLimiter

if TYPE_CHECKING:
    from tracing.spans import Traces  # loads OpenTelemetry, which most processes never do

ACCESS_LOG_LEVELS = ("debug", "info")
"""Log levels at which every response is logged."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Hold an assembled gateway."""

    settings: Settings
    public: web.Application
    middleware: Middleware
    """Wraps the public application."""
    internal: web.Application
    """Serves metrics and health, for the platform only."""
    health: Health
    metrics: Metrics
    dependencies: Dependencies
    listener: OutcomeListener
    keys: Sequence[KeySet]


def assemble(settings: Settings, clients: Clients, traces: "Traces | None" = None) -> Gateway:
    """Assemble everything between the port and the clients; nothing is contacted yet."""
    metrics = Metrics(worker_number())
    listener = OutcomeListener(clients.redis, Outcomes(clients.redis))
    dependencies = _dependencies(settings, clients, listener, metrics)
    add_gauges(metrics, dependencies, listener, clients.keys)
    health = Health(checks(clients, dependencies, listener))
    as_json = settings.log_format == "json" and settings.log_level in ACCESS_LOG_LEVELS
    middleware = RequestMiddleware(
        metrics,
        Cors(settings.cors_origins, {route.method for route in ROUTES}),
        health,
        AccessLog(as_json=as_json),
        None if traces is None else RequestTracing(traces),
    )
    return Gateway(
        settings=settings,
        public=_public(dependencies, middleware),
        middleware=middleware.handle,
        internal=_internal(settings, metrics, health),
        health=health,
        metrics=metrics,
        dependencies=dependencies,
        listener=listener,
        keys=clients.keys,
    )


def _public(dependencies: Dependencies, middleware: RequestMiddleware) -> web.Application:
    app = web.Application()
    admission = Admission(
        tokens=dependencies.tokens,
        limiter=dependencies.limiter,
        addresses=dependencies.addresses,
        read_models=dependencies.read_models,
        keyed_requests=dependencies.keyed_requests,
    )
    add_routes(app, bind(dependencies), admission)
    pages = PageLimits(dependencies.limiter, dependencies.addresses)
    add_description(app, _description(), partial(pages.limited, "pages"))
    settings = dependencies.settings
    WebPages(settings.web_directory, settings.sign_in).add_to(app, partial(pages.limited, "web"))
    middleware.health.add_public_routes(app, partial(pages.limited, "probes"))
    app.on_response_prepare.append(middleware.prepare_stream)
    app.on_shutdown.append(dependencies.streams.close)
    app.on_cleanup.append(middleware.access_log.close)
    return app


def _internal(settings: Settings, metrics: Metrics, health: Health) -> web.Application:
    app = web.Application()
    others = metrics_of_others(
        settings.gateway_internal_host, settings.gateway_internal_port, settings.gateway_workers
    )
    app.router.add_get(
        "/metrics", WorkerMetrics(metrics, others).serve if metrics.worker == 0 else metrics.serve
    )
    health.add_routes(app)
    return app


@cache
def _description() -> Description:
    """Return the API description, which depends on the code alone."""
    return Description(describe(ROUTES))


def _dependencies(
    settings: Settings, clients: Clients, listener: OutcomeListener, metrics: Metrics
) -> Dependencies:
    redis = clients.redis
    revocations = RevocationList(redis, prefix="gateway:{revocations}")
    addresses = ClientAddresses(settings.trusted_proxy_hops)
    changes = ChangeFeed(clients.redis)
    read_models = ReadModels(redis)
    streams = EventStreams(changes, revocations)
    revocations.on_change = streams.end_revoked
    reports = reports_of(clients.reports, redis)
    commands = _commands(settings, clients, listener, addresses)
    return Dependencies(
        settings=settings,
        tokens=TokenCache(_verifier(settings, clients.keys), revocations),
        revocations=revocations,
        commands=commands,
        keyed_requests=KeyedRequests(
            StoredResponses(redis), listener.outcomes, addresses, commands.waits
        ),
        limiter=_limiter(settings, redis, metrics),
        proofs=ProofOfWork(redis, settings.proof_of_work_bits),
        addresses=addresses,
        read_models=read_models,
        own_documents=OwnDocuments(read_models, changes),
        reports=reports,
        maps=maps_of(reports, redis),
        changes=changes,
        streams=streams,
    )


def _commands(
    settings: Settings, clients: Clients, listener: OutcomeListener, addresses: ClientAddresses
) -> Commands:
    return Commands(
        sender=CommandSender(clients.publisher, settings.stack),
        sent=SentCommands(listener.outcomes, clients.redis, RedisLosses(clients.redis)),
        listener=listener,
        addresses=addresses,
        waits=WaitTimes(settings.outcome_wait_seconds, settings.max_wait_seconds),
    )


def _limiter(settings: Settings, redis: Any, metrics: Metrics) -> RateLimiter:
    return RateLimiter(
        redis,
        default_limits(),
        workers=settings.gateway_workers,
        overrides_key=LIMIT_OVERRIDES,
        groups=PREFIX_GROUPS,
        on_exceeded=lambda limit: metrics.count_rejection(limit.name, shadow=limit.shadow),
    )


def _verifier(settings: Settings, keys: Sequence[KeySet]) -> Verifier:
    pools = [pool.pool() for pool in settings.pools()]
    return Verifier({pool.issuer: (pool, known) for pool, known in zip(pools, keys, strict=True)})


@contextlib.asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[None]:
    """Run the gateway's background tasks while the context is entered, with the limits in force."""
    await gateway.dependencies.limiter.read_overrides()
    works = _background(gateway.dependencies, gateway.listener, gateway.keys)
    tasks = [asyncio.create_task(supervise(name, work)) for name, work in works.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for keys in gateway.keys:
            await keys.close()


def _background(
    dependencies: Dependencies, listener: OutcomeListener, keys: Sequence[KeySet]
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """Return the work of each background task, which runs until it is cancelled, by its name."""
    return {
        "outcomes": listener.run,
        "changes": dependencies.changes.listen,
        "revocations": dependencies.revocations.watch,
        "limits": dependencies.limiter.watch_overrides,
        "losses of Redis": dependencies.commands.losses.watch,
        **{f"signing keys {number}": each.watch for number, each in enumerate(keys, start=1)},
    }
