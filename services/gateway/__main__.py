"""Run the gateway: `python -m gateway run`."""

import argparse
import asyncio
import contextlib
import resource
import socket
import sys
from dataclasses import dataclass, field

from chassis.run.unused import without_unused_packages

with without_unused_packages():
    import structlog
    import uvloop

    from chassis.run.eviction import check_eviction_policy
    from chassis.run.gc_tuning import tune_gc
    from chassis.run.logging import configure
    from chassis.run.settings import read_settings_or_exit
    from chassis.run.tracing import open_traces
    from chassis.views.identity import EvictionPolicy
    from gateway.app import Gateway, assemble, running
    from gateway.clients import open_clients
    from gateway.edge import workers
    from gateway.edge.server import Site, bind_socket, open_site, serve
    from gateway.settings import Settings

log = structlog.get_logger(__name__)


def main() -> None:
    """Parse the command line and serve, with a supervisor if there are several workers."""
    parser = argparse.ArgumentParser(prog="python -m gateway")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="serve until SIGTERM")
    parser.parse_args()
    settings = read_settings_or_exit(Settings, "gateway")
    configure(settings, "gateway")
    if settings.gateway_workers > 1 and workers.worker_number() is None:
        asyncio.run(workers.Supervisor(_sockets(settings)).run())
    else:
        _raise_file_limit()
        tune_gc()
        try:
            uvloop.run(run(settings))
        except EvictionPolicy as refusal:
            sys.exit(f"cannot start: {refusal}")


def _sockets(settings: Settings) -> list[socket.socket]:
    """Return a socket for each worker, all on one port."""
    first = bind_socket(settings.gateway_host, settings.gateway_port, shared=True)
    port = first.getsockname()[1]
    more = range(settings.gateway_workers - 1)
    return [first, *(bind_socket(settings.gateway_host, port, shared=True) for _ in more)]


@dataclass(slots=True)
class Shutdown:
    """Record the signals that end the process."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)
    last: bool = field(default_factory=lambda: workers.worker_number() is None)
    """True if no process accepts from this process's socket after it."""

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Handle the signals."""
        loop.add_signal_handler(workers.END_WORKER, self.requested.set)
        loop.add_signal_handler(workers.END_ALL, self._end_all)

    def _end_all(self) -> None:
        self.last = True
        self.requested.set()


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight.

    Raises:
        EvictionPolicy: Redis may evict read models.
    """
    shutdown = Shutdown()
    shutdown.listen(asyncio.get_running_loop())
    traces = open_traces(settings, "gateway")
    async with traces or contextlib.nullcontext(), open_clients(settings, traces) as clients:
        await check_eviction_policy(clients.redis)
        gateway = assemble(settings, clients, traces)
        async with running(gateway), _internal(gateway) as internal, _public(gateway) as site:
            log.info("gateway_started", port=site.port, internal_port=internal)
            await shutdown.requested.wait()
            log.info("gateway_draining")
            gateway.health.draining = True  # load balancers leave before anything closes
            await asyncio.sleep(settings.drain_seconds)
            await site.stop(settings.shutdown_seconds, last=shutdown.last)
    log.info("gateway_stopped")


def _public(gateway: Gateway) -> contextlib.AbstractAsyncContextManager[Site]:
    settings = gateway.settings
    listening = workers.inherited_socket() or bind_socket(
        settings.gateway_host, settings.gateway_port
    )
    return open_site(gateway.public, listening, middleware=gateway.middleware, shutdown_seconds=1.0)


def _internal(gateway: Gateway) -> contextlib.AbstractAsyncContextManager[int]:
    settings = gateway.settings
    port = settings.gateway_internal_port
    if port:
        port += workers.worker_number() or 0
    return serve(gateway.internal, settings.gateway_internal_host, port, shutdown_seconds=1.0)


def _raise_file_limit() -> None:
    """Allow many connections: each is a file, and the usual soft limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
