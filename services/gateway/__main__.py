"""python -m gateway run."""

import argparse
import asyncio
import signal

import structlog
import uvloop

from chassis.logging import configure
from gateway.app import assemble, running
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
    uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with opened(settings) as outside:
        gateway = assemble(settings, outside)
        async with running(gateway), serving(gateway.web, settings) as port:
            log.info("gateway_started", host=settings.gateway_host, port=port)
            await stopped.wait()
            log.info("gateway_draining")
            gateway.health.draining = True
            await asyncio.sleep(settings.drain_seconds)
    log.info("gateway_stopped")


if __name__ == "__main__":
    main()
