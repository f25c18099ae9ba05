"""The gateway's clients use what the environment says about the way to other servers."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cognito_jwt.testing import TokenIssuer
from gateway.clients import open_clients
from tests.gateway.environment import ISSUER, settings


async def test_signing_keys_are_fetched_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requested: list[str] = []
    issuer = TokenIssuer(ISSUER)
    issuer.rotate("key")

    async def proxy(request: web.Request) -> web.Response:
        requested.append(request.raw_path)
        return web.Response(body=issuer.jwks())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    async with TestServer(app) as server:
        monkeypatch.setenv("http_proxy", str(server.make_url("/")))
        url = "http://issuer.example/jwks.json"
        async with open_clients(settings("redis://127.0.0.1:1/0", cognito_jwks_url=url)) as clients:
            (keys,) = clients.keys
            await keys.refresh()
            assert keys.loaded
            await keys.close()
    assert requested == [url]
