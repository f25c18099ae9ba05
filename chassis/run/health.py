"""Whether a process lives, can work, and how it does: /healthz, /readyz, /metrics, internal."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Check = Callable[[], Awaitable[bool]]
Exposition = Callable[[], Awaitable[bytes]]
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def start_health_server(
    host: str, port: int, checks: Mapping[str, Check], exposition: Exposition
) -> web.AppRunner:
    """Serve until the runner is cleaned up. `/readyz` is 200 only while every check is true."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        missing = await failing(checks)
        if not missing:
            return web.json_response({"status": "ready"})
        detail = f"not ready: {', '.join(missing)}"
        return web.json_response({"status_code": 503, "detail": detail}, status=503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await exposition(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", metrics),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def failing(checks: Mapping[str, Check]) -> list[str]:
    """The names of the checks that do not hold; one that raises does not hold."""
    return [name for name, check in checks.items() if not await _holds(check)]


async def _holds(check: Check) -> bool:
    try:
        return await check()
    except Exception:  # noqa: BLE001  whatever is wrong, the answer is "not ready"
        return False
