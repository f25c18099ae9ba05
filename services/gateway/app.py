"""Composition root of the gateway: the only place where its objects are made."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from aiohttp import web

from chassis.commands import CommandSender
from chassis.outcomes import OutcomeListener, Outcomes
from chassis.read_models import ReadModels
from gateway.answers import Answers
from gateway.auth import KeySet, Revocations, TokenCache, Verifier
from gateway.docs import add_description
from gateway.edge import add_routes, edge
from gateway.health import Check, Health
from gateway.limits import Limiter, Table
from gateway.operations import Operations
from gateway.parts import Outside, Parts
from gateway.routes import ROUTES
from gateway.services import command_queues
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Gateway:
    settings: Settings
    web: web.Application
    health: Health
    parts: Parts
    listener: OutcomeListener
    keys: Sequence[KeySet]


def assemble(settings: Settings, outside: Outside) -> Gateway:
    """Everything between the port and the bus; nothing is contacted yet."""
    outcomes = Outcomes(outside.redis)
    listener = OutcomeListener(outside.subscription, outcomes)
    revocations = Revocations(outside.redis)
    parts = Parts(
        settings=settings,
        tokens=TokenCache(_verifier(settings, outside.keys), revocations),
        revocations=revocations,
        operations=Operations(
            sender=CommandSender(outside.publisher, command_queues(settings.stack)),
            outcomes=outcomes,
            listener=listener,
            answers=Answers(outside.redis),
            redis=outside.redis,
        ),
        limiter=Limiter(outside.redis, Table(), workers=settings.workers),
        referrals=ReadModels(outside.redis, "referrals"),
    )
    health = Health(_checks(outside, parts, listener))
    app = web.Application(middlewares=[edge], client_max_size=settings.max_body_bytes)
    add_routes(app, ROUTES, parts)
    add_description(app, ROUTES)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    return Gateway(settings, app, health, parts, listener, outside.keys)


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
        *(asyncio.create_task(keys.keep_fresh(), name="keys") for keys in gateway.keys),
    ]
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
