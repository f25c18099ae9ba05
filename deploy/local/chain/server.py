"""Serve a simulated chain as JSON-RPC 2.0 over HTTP: single calls and batches."""

from typing import Any

from aiohttp import web

from deploy.local.chain.node import SimulatedChain
from deploy.local.chain.providers import RpcRejection


def application(chain: SimulatedChain) -> web.Application:
    """Return the web application of a chain: `POST /` for calls, `GET /healthz`."""

    async def rpc(request: web.Request) -> web.Response:
        calls = await request.json()
        if isinstance(calls, list):
            return web.json_response([_response(chain, call) for call in calls])
        return web.json_response(_response(chain, calls))

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"head": chain.head})

    app = web.Application(client_max_size=2**24)
    app.router.add_post("/", rpc)
    app.router.add_get("/healthz", healthz)
    return app


def _response(chain: SimulatedChain, call: dict[str, Any]) -> dict[str, Any]:
    head = {"jsonrpc": "2.0", "id": call.get("id")}
    try:
        return head | {"result": chain.answer(call["method"], call.get("params", []))}
    except RpcRejection as rejection:
        return head | {"error": {"code": rejection.code, "message": rejection.message}}
    except (TypeError, KeyError, ValueError) as error:
        return head | {"error": {"code": -32602, "message": f"invalid params: {error}"}}
