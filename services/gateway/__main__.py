"""python -m gateway run."""

import argparse
import asyncio
import contextlib
import resource
import signal

import structlog
import uvloop

from chassis.collector import spare_the_collector
from chassis.logging import configure
from chassis.traces import traces_of
from gateway import workers
from gateway.app import Gateway, assemble, running
from gateway.clients import opened
from gateway.server import serving
from gateway.settings import Settings

log = structlog.get_logger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m gateway")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="serve until SIGTERM")
    parser.parse_args()
    settings = Settings()
    configure(settings, "gateway")
    if settings.gateway_workers > 1 and workers.number() is None:
        asyncio.run(workers.Supervisor(settings.gateway_workers).run())
    else:
        _allow_many_connections()
        spare_the_collector()
        uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    traces = traces_of(settings, "gateway")
    async with traces or contextlib.nullcontext(), opened(settings, traces) as outside:
        gateway = assemble(settings, outside, traces)
        async with running(gateway), _internal(gateway) as internal, _public(gateway) as port:
            log.info("gateway_started", port=port, internal_port=internal)
            await stopped.wait()
            log.info("gateway_draining")
            gateway.health.draining = True
            await asyncio.sleep(settings.drain_seconds)
    log.info("gateway_stopped")


def _public(gateway: Gateway) -> contextlib.AbstractAsyncContextManager[int]:
    settings = gateway.settings
    return serving(
        gateway.public,
        settings.gateway_host,
        settings.gateway_port,
        shutdown_seconds=settings.shutdown_seconds,
        shared=settings.gateway_workers > 1,
    )


def _internal(gateway: Gateway) -> contextlib.AbstractAsyncContextManager[int]:
    settings = gateway.settings
    port = settings.gateway_internal_port
    if port:
        port += workers.number() or 0
    return serving(gateway.internal, settings.gateway_internal_host, port, shutdown_seconds=1.0)


def _allow_many_connections() -> None:
    """Every connection is a file; the usual soft limit of 1,024 is no protection, only a trap."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
