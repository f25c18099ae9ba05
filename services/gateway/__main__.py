"""python -m gateway run."""

import argparse
import asyncio
import contextlib
import resource
import socket
from dataclasses import dataclass, field

import structlog
import uvloop

from chassis.run.gc_tuning import tune_gc
from chassis.run.logging import configure
from chassis.run.tracing import open_traces
from gateway.app import Gateway, assemble, running
from gateway.clients import opened
from gateway.edge import workers
from gateway.edge.server import Site, attended, bound, serving
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
        asyncio.run(workers.Supervisor(_sockets(settings)).run())
    else:
        _allow_many_connections()
        tune_gc()
        uvloop.run(run(settings))


def _sockets(settings: Settings) -> list[socket.socket]:
    """One for each worker, on the same port."""
    first = bound(settings.gateway_host, settings.gateway_port, shared=True)
    port = first.getsockname()[1]
    more = range(settings.gateway_workers - 1)
    return [first, *(bound(settings.gateway_host, port, shared=True) for _ in more)]


@dataclass(slots=True)
class End:
    """That the process has been told to end."""

    told: asyncio.Event = field(default_factory=asyncio.Event)
    last: bool = field(default_factory=lambda: workers.number() is None)
    """Nobody will serve at this process's socket after it."""

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_signal_handler(workers.THIS_ONE, self.told.set)
        loop.add_signal_handler(workers.ALL, self._all)

    def _all(self) -> None:
        self.last = True
        self.told.set()


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight or on its way."""
    end = End()
    end.follow(asyncio.get_running_loop())
    traces = open_traces(settings, "gateway")
    async with traces or contextlib.nullcontext(), opened(settings, traces) as clients:
        gateway = assemble(settings, clients, traces)
        async with running(gateway), _internal(gateway) as internal, _public(gateway) as site:
            log.info("gateway_started", port=site.port, internal_port=internal)
            await end.told.wait()
            log.info("gateway_draining")
            gateway.health.draining = True  # balancers look elsewhere, before anything closes
            await asyncio.sleep(settings.drain_seconds)
            await site.leave(settings.shutdown_seconds, last=end.last)
    log.info("gateway_stopped")


def _public(gateway: Gateway) -> contextlib.AbstractAsyncContextManager[Site]:
    settings = gateway.settings
    listening = workers.inherited() or bound(settings.gateway_host, settings.gateway_port)
    return attended(gateway.public, listening, guard=gateway.guard, shutdown_seconds=1.0)


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
