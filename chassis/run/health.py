"""Serve /healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web
from redis.exceptions import ResponseError

from chassis.resilience.outages import OUTAGES, Outages
from chassis.resilience.refusals import reason_of

CHECK_SECONDS: Final = 1.0
"""Seconds after which a check counts as failed."""
SHARD_SECONDS: Final = 0.8
"""Seconds after which a shard is reported that does not answer: before its check is."""
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Paths that the platform requests every few seconds."""
WRITABLE_SECONDS: Final = 60
"""Time after which the key that a check has written expires."""
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Check = Callable[[], Awaitable[bool]]
Handler = Callable[[Any], Awaitable[web.StreamResponse]]
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
    outages: Outages = OUTAGES
    """What interrupts operations of this process, in addition to the checks."""
    _running: "asyncio.Task[dict[str, str]] | None" = None
    """The checks that public requests share."""

    async def failing(self) -> dict[str, str]:
        """Return what is not ready, each with a short reason, which may be empty.

        A check fails if it returns false, raises, or takes longer than `CHECK_SECONDS`.
        """
        reasons = await asyncio.gather(*(_reason(check) for check in self.checks.values()))
        found = zip(self.checks, reasons, strict=True)
        failing = {name: reason for name, reason in found if reason is not None}
        failing |= self.outages.reasons
        return failing | {"draining": ""} if self.draining else failing

    async def healthz(self, _request: web.Request) -> web.Response:
        """Respond 200 as long as the event loop runs."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Respond 200 if every check passes, otherwise 503 with what is not ready and why."""
        return _readiness(await self.failing())

    async def public_readyz(self, _request: web.Request) -> web.Response:
        """Respond like `readyz`, without reasons, which name hosts and tables.

        Requests that arrive while the checks run share their result.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self.failing())
        return _readiness(dict.fromkeys(await asyncio.shield(self._running), ""))

    def add_routes(self, app: web.Application) -> None:
        """Serve /healthz and /readyz, for the platform only."""
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)

    def add_public_routes(
        self, app: web.Application, limited: Callable[[Handler], Handler]
    ) -> None:
        """Serve /healthz, and /readyz without reasons and through `limited`, on a public port."""
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", limited(self.public_readyz))


class CheckFailed(Exception):
    """A check has failed; the text is the reason that is reported."""


class ShardFailed(ResponseError):
    """The primary of a shard refuses a write, or does not answer."""


def writable(redis: Any, service: str) -> Check:
    """Return a check that Redis accepts a write: one that refuses writes still answers PING.

    In a cluster every primary has to accept one; the first that does not is named. The keys expire;
    that of a single server is in the hash slot of the service's control hash.
    """

    def key(number: int) -> str:
        return f"{{{service}:{number}}}:writable" if number else f"{{{service}}}:writable"

    async def check() -> bool:
        (node, name), *others = await redis.key_on_each_primary(key)
        if not others:
            return bool(await node.set(name, "1", ex=WRITABLE_SECONDS))
        await asyncio.gather(*(_write(*each) for each in ((node, name), *others)))
        return True

    return check


async def _write(node: Any, key: str) -> None:
    try:
        async with asyncio.timeout(SHARD_SECONDS):
            await node.set(key, "1", ex=WRITABLE_SECONDS)
    except TimeoutError:
        raise ShardFailed(f"shard {node.address}: no answer within {SHARD_SECONDS} s") from None
    except Exception as error:
        raise ShardFailed(f"shard {node.address}: {reason_of(error)}") from error


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


def _readiness(failing: Mapping[str, str]) -> web.Response:
    if not failing:
        return web.json_response({"status": "ready"})
    named = [f"{name}: {reason}" if reason else name for name, reason in failing.items()]
    body: dict[str, Any] = {
        "status_code": 503,
        "detail": f"not ready: {', '.join(named)}",
        "missing": list(failing),
        "reasons": {name: reason for name, reason in failing.items() if reason},
    }
    return web.json_response(body, status=503, headers={"Retry-After": "1"})


async def _reason(check: Check) -> str | None:
    """Return why a check fails, or None if it passes."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return None if await check() else ""
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS} s"
    except CheckFailed as failed:
        return str(failed)
    except Exception as error:  # noqa: BLE001  whatever is wrong, the check fails
        log.debug("check_failed", because=str(error))
        return reason_of(error)
