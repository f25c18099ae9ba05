"""Serve /healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web

CHECK_SECONDS: Final = 1.0
"""Seconds after which a check counts as failed."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that the platform requests every few seconds."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Check = Callable[[], Awaitable[bool]]
Exposition = Callable[[], Awaitable[bytes]]
"""Returns the metrics in Prometheus' text format."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Health:
    """Report whether a process is alive, and whether it can serve."""

    checks: Mapping[str, Check]
    """Name -> check; all are run at the same time."""
    draining: bool = False
    """True when the process is about to end: it is not ready, whatever the checks return."""

    async def failing(self) -> list[str]:
        """Return the names of failing checks; one that raises or is too slow fails."""
        passed = await asyncio.gather(*(_passes(check) for check in self.checks.values()))
        failing = [name for name, passes in zip(self.checks, passed, strict=True) if not passes]
        return [*failing, "draining"] if self.draining else failing

    async def healthz(self, _request: web.Request) -> web.Response:
        """Respond 200 as long as the event loop runs."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Respond 200 if every check passes, otherwise 503 with the names of failing ones."""
        if failing := await self.failing():
            body: dict[str, Any] = {
                "status_code": 503,
                "detail": f"not ready: {', '.join(failing)}",
                "missing": failing,
            }
            return web.json_response(body, status=503, headers={"Retry-After": "1"})
        return web.json_response({"status": "ready"})

    def add_routes(self, app: web.Application) -> None:
        """Serve /healthz and /readyz."""
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)


async def start_health_server(
    host: str, port: int, checks: Mapping[str, Check], exposition: Exposition
) -> web.AppRunner:
    """Serve health and metrics until the returned runner is cleaned up."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    Health(checks).add_routes(app)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001  whatever is wrong, the check fails
        log.debug("check_failed", because=str(error))
        return False
