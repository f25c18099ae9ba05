"""Whether the process lives, and whether it can serve."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
import structlog
from aiohttp import web

CHECK_SECONDS: Final = 1.0
PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Where they are served: asked every few seconds, for ever."""

log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Health:
    """`/healthz` answers as long as the event loop turns, `/readyz` when every check holds."""

    checks: Mapping[str, Check]
    draining: bool = field(default=False)

    async def missing(self) -> list[str]:
        """The names of what is not there at the moment."""
        held = await asyncio.gather(*(_holds(check) for check in self.checks.values()))
        missing = [name for name, holds in zip(self.checks, held, strict=True) if not holds]
        return [*missing, "draining"] if self.draining else missing

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        return _json(200, {"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.StreamResponse:
        if missing := await self.missing():
            detail = f"not ready: {', '.join(missing)}"
            return _json(503, {"status_code": 503, "detail": detail, "missing": missing})
        return _json(200, {"status": "ready"})


async def _holds(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception as error:  # noqa: BLE001  whatever is wrong, it is not there
        log.debug("check_failed", because=str(error))
        return False


def _json(status: int, body: object) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/json",
        headers={"Retry-After": "1"} if status != 200 else None,  # noqa: PLR2004
    )
