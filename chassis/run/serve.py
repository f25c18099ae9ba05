"""Serve a service: start it, report its health, and stop it in order."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

from chassis.resilience.outages import OUTAGES
from chassis.resilience.supervision import supervise
from chassis.run.assembly import subscribe
from chassis.run.eviction import check_eviction_policy
from chassis.run.health import CheckFailed, start_health_server, writable
from chassis.run.metrics import ServiceMetrics
from chassis.run.service import Application, Handlers
from chassis.views.rebuild.watch import ReadModelWatcher

log = structlog.get_logger(__name__)


async def serve(application: Application[Any, Any, Any, Any]) -> None:
    """Handle messages until SIGTERM or SIGINT; rebuild read models that Redis has lost.

    Raises:
        EvictionPolicy: Redis may evict read models.
    """
    await check_eviction_policy(application.resources.redis)
    async with (
        application.traces or contextlib.nullcontext(),
        application.service.compose(application) as handlers,
    ):
        subscribe(application, handlers)
        await _serve(application, handlers)


async def _serve(application: Application[Any, Any, Any, Any], handlers: Handlers) -> None:
    settings, broker = application.settings, application.resources.broker

    async def read_models() -> bool:
        if unserved := await ReadModelWatcher(application.rebuilder.projector).unserved():
            raise CheckFailed(f"not built yet: {', '.join(unserved)}")
        return True

    async def queue() -> bool:
        return broker.running and await broker.ping(timeout=2)

    redis = writable(application.resources.redis, application.service.name)
    checks = {"redis": redis, "read models": read_models, "queue": queue}
    metrics = ServiceMetrics(application.rebuilder, further=handlers.metrics)
    health = await start_health_server(
        settings.health_host, settings.health_port, checks, metrics.exposition
    )
    try:
        await _until_signalled(run_background(application, handlers))
    finally:
        with OUTAGES.stop():  # handlers that wait out an outage return their messages at once
            await broker.stop()
        await health.cleanup()
        log.info("service_stopped")


async def run_background(application: Application[Any, Any, Any, Any], handlers: Handlers) -> None:
    """Receive messages, watch the read models, and run the service's own tasks, until cancelled."""
    async with asyncio.TaskGroup() as group:
        watcher = ReadModelWatcher(application.rebuilder.projector)
        group.create_task(supervise("read-model-watch", watcher.run))
        await application.resources.broker.start()
        for work in handlers.background:
            group.create_task(supervise(getattr(work, "__qualname__", "background"), work))
        log.info("service_started", health_port=application.settings.health_port)


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until SIGTERM or SIGINT; raise its error if it ends by itself."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    working = asyncio.create_task(work, name="work")
    signalled = asyncio.create_task(stopped.wait(), name="signal")
    await asyncio.wait([working, signalled], return_when=asyncio.FIRST_COMPLETED)
    for task in (working, signalled):
        task.cancel()
    await asyncio.wait([working, signalled])
    if not working.cancelled():
        working.result()
