"""Run several gateways as processes, each with its port and log file."""

import asyncio
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.bootstrap import answers
from deploy.local.settings import HOST
from tests.chaos.clients import PAUSE_SECONDS, Clients, Request
from tests.gateway.environment import CLIENT, ISSUER, Issuer
from tests.support.eventually import eventually
from tests.support.keys_endpoint import KeysEndpoint
from tests.support.stack import Service, Stack

EACH = int(os.environ.get("ENDING_CLIENTS", "8"))
"""Number of clients of each kind: with keep-alive, and with a new connection per request."""
READY_SECONDS = 90
"""Time for a worker to start while clients keep the processors busy."""


@dataclass
class Gateway(Service):
    """Run a gateway with worker processes."""

    listen_port: int = 0
    log_file: Path = Path()
    workers: int = 1

    @property
    def port(self) -> int:
        return self.listen_port

    @property
    def log(self) -> Path:
        return self.log_file

    async def serve(self, **extra: str) -> "Gateway":
        """Start and wait until every worker is ready; other gateways may share the port."""
        count = {"GATEWAY_WORKERS": str(self.workers), "GATEWAY_INTERNAL_PORT": "0"}
        self.start(**count, **extra)
        await self.all_ready(self.workers)
        return self

    async def started(self, starts: int) -> None:
        """Wait until `starts` workers have been started in total, ready or not."""

        async def started() -> bool:
            return len(self._internal_ports()) >= starts

        await eventually(started, seconds=30)

    async def all_ready(self, starts: int) -> None:
        """Wait until `starts` workers were started in total and all running ones are ready."""

        async def ready() -> bool:
            assert self.alive, self.log.read_text()[-3000:]
            ports = self._internal_ports()
            if len(ports) < starts:
                return False
            pages = [f"http://{HOST}:{port}/readyz" for port in ports]
            return sum([await asyncio.to_thread(answers, page) for page in pages]) == self.workers

        try:
            await eventually(ready, seconds=READY_SECONDS)
        except AssertionError:
            print(self.log.read_text()[-3000:])  # noqa: T201  shown when it fails
            raise

    def processes(self) -> list[int]:
        assert self.process is not None
        return sorted(child.pid for child in psutil.Process(self.process.pid).children())

    async def terminate(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.died(seconds=60)

    def _internal_ports(self) -> list[int]:
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        return [json.loads(line)["internal_port"] for line in lines if '"gateway_started"' in line]


@dataclass
class GatewayLauncher:
    """Start gateways that trust an issuer, and clients with tokens of that issuer."""

    stack: Stack
    folder: Path
    endpoint: KeysEndpoint
    launched: list[Gateway] = field(default_factory=list)

    @property
    def issuer(self) -> Issuer:
        return self.endpoint.issuer

    async def serve(self, port: int, workers: int = 1, drain: str = "0.5") -> Gateway:
        log = self.folder / f"gateway-{len(self.launched)}.log"
        gateway = Gateway("gateway", self.stack, listen_port=port, log_file=log, workers=workers)
        self.launched.append(gateway)
        return await gateway.serve(
            DRAIN_SECONDS=drain,
            COGNITO_ISSUER=ISSUER,
            COGNITO_JWKS_URL=self.endpoint.url,
            COGNITO_CLIENT_IDS=CLIENT,
        )

    def clients(
        self, port: Callable[[], int], each: int = EACH, pause: float = PAUSE_SECONDS
    ) -> Clients:
        tokens = itertools.cycle([self.issuer.access(f"person-{n}") for n in range(20)])
        return Clients(port, lambda: Request(token=next(tokens)), pause).start(each)
