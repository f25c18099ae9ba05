"""Serve the gateway or a server with which `benchmarks/gateway_reads.py` compares it.

All but `hello` do the same work: verify a token, charge a limit, read a document from Redis and
return it. `python benchmarks/gateway_servers.py NAME` serves until SIGTERM and prints its port
first.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jwt
import redis as sync_redis
import uvloop
from aiohttp import web
from redis.asyncio import Redis

from benchmarks.keys import REFERRALS_KEY
from chassis.run.gc_tuning import tune_gc
from chassis.run.logging import configure
from chassis.views.keys import document_location
from cognito_jwt import KeySet
from gateway.app import assemble, running
from gateway.clients import Clients
from gateway.edge.server import serve
from gateway.settings import Settings
from redis_batching import connect
from token_bucket import Limit, Scope
from token_bucket.charges import plan_charges

ISSUER = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_Benchmark"
CLIENT = "web-client"
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6399/0")
TAKE = files("token_bucket").joinpath("take.lua").read_text()
LIMIT = plan_charges([Limit("reads", 1_000_000, 1, Scope.USER)], [1]).arguments
"""A limit that no caller reaches; it is charged nevertheless."""


def folder() -> Path:
    return Path(os.environ["BENCH_FOLDER"])


def key_of(subject: str) -> str:
    return document_location("referrals", "members", 1, f"member-{subject}").data_key


# The servers to compare with


def hello() -> web.Application:
    """Return a server that does nothing else: the maximum for any application on aiohttp."""
    body = b"x" * 500

    async def respond(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/me", respond)
    return app


def naive() -> web.Application:
    """Return a straightforward server: it verifies each time, decodes and encodes JSON."""
    redis = Redis.from_url(REDIS_URL)
    take = redis.register_script(TAKE)
    keys = _public_keys()

    async def respond(request: web.Request) -> web.Response:
        try:
            subject = verified(request.headers["Authorization"].removeprefix("Bearer "), keys)
        except jwt.PyJWTError as error:
            return web.json_response({"detail": str(error)}, status=403)
        admitted, _, left, *_ = json.loads(await take(keys=[f"limit:{subject}"], args=LIMIT))
        if not admitted:
            return web.json_response({"detail": "too many requests"}, status=429)
        document: Any = await redis.hget(key_of(subject), "d")
        headers = {"RateLimit": f'"reads";r={left}'}
        return web.json_response(json.loads(document), headers=headers)

    app = web.Application()
    app.router.add_get("/v1/me", respond)
    return app


def fastapi_sync() -> Any:
    """Return a synchronous FastAPI service: `def` endpoints, a blocking Redis client."""
    fastapi = importlib.import_module("fastapi")  # only this server loads it

    redis = sync_redis.Redis.from_url(REDIS_URL)
    take = redis.register_script(TAKE)
    keys = _public_keys()
    app = fastapi.FastAPI()

    def respond(response: Any, authorization: str = fastapi.Header()) -> Any:
        try:
            subject = verified(authorization.removeprefix("Bearer "), keys)
        except jwt.PyJWTError as error:
            raise fastapi.HTTPException(403, str(error)) from error
        taken: Any = take(keys=[f"limit:{subject}"], args=LIMIT)
        admitted, _, left, *_ = json.loads(taken)
        if not admitted:
            raise fastapi.HTTPException(429, "too many requests")
        response.headers["RateLimit"] = f'"reads";r={left}'
        document: Any = redis.hget(key_of(subject), "d")
        return json.loads(document)

    respond.__annotations__["response"] = fastapi.Response
    app.get("/v1/me")(respond)
    return app


def verified(token: str, keys: dict[str, Any]) -> str:
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options: Any = {"require": ["exp", "iat", "sub"], "verify_aud": False}
    claims = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, options=options)
    if (claims["client_id"], claims["token_use"]) != (CLIENT, "access"):
        raise jwt.InvalidTokenError("not for this client")
    return str(claims["sub"])


def _public_keys() -> dict[str, Any]:
    rows = json.loads((folder() / "jwks.json").read_bytes())["keys"]
    return {row["kid"]: jwt.PyJWK(row).key for row in rows}


# Ours


def gateway_settings() -> Settings:
    return Settings(
        stack="bench",
        redis_url=REDIS_URL,
        cognito_issuer=ISSUER,
        cognito_jwks_url="http://127.0.0.1:9/jwks.json",
        cognito_client_ids=frozenset({CLIENT}),
        referrals_key=REFERRALS_KEY,
    )


async def serve_gateway() -> None:
    """Serve the complete gateway without a bus: cache, limits, metrics and access log are on."""
    tune_gc()
    settings = gateway_settings()
    configure(settings, "gateway", sys.stderr)

    async def fetch() -> bytes:
        return (folder() / "jwks.json").read_bytes()

    async def ready() -> bool:
        return True

    unused: Any = None
    clients = Clients(
        publisher=unused,
        redis=connect(REDIS_URL, socket_timeout=1.0),
        keys=[KeySet(fetch)],
        bus_ready=ready,
        reports=unused,
    )
    gateway = assemble(settings, clients)
    async with (
        running(gateway),
        serve(gateway.public, "127.0.0.1", 0, middleware=gateway.middleware) as port,
    ):
        announce(port)
        await asyncio.Event().wait()


async def serve_aiohttp(make: Callable[[], web.Application]) -> None:
    runner = web.AppRunner(make(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


async def serve_asgi() -> None:
    uvicorn = importlib.import_module("uvicorn")  # as above
    config = uvicorn.Config(fastapi_sync(), port=0, log_level="error", access_log=False)
    server = uvicorn.Server(config)
    serving_task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn signals nothing when it listens
        await asyncio.sleep(0.01)
    announce(server.servers[0].sockets[0].getsockname()[1])
    await serving_task


def announce(port: int) -> None:
    """Print the port, and discard all later output."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


SERVERS: dict[str, Callable[[], None]] = {
    "hello": lambda: uvloop.run(serve_aiohttp(hello)),
    "gateway": lambda: uvloop.run(serve_gateway()),
    "naive": lambda: asyncio.run(serve_aiohttp(naive)),
    "fastapi": lambda: uvloop.run(serve_asgi()),
}


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    SERVERS[sys.argv[1]]()
