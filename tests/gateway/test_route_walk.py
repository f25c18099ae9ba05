"""What holds for every route: ids that cannot exist are 404, and GET can be sent as HEAD."""

from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from gateway.http.routing import AnyRoute
from gateway.routes import ROUTES
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.jargon import JARGON
from tests.gateway.routes_walk import (
    READS,
    WITH_PARAMETERS,
    parameters_of,
    path_of,
    token_for,
    unlimited,
)

STRANGE_IDS = [
    quote("a" * 101),
    quote("a" * 8_000),
    "%00",
    "%ff",
    "%ed%a0%80",
    "a%0ab",
    "%20",
    "..%2f",
    "*",
    "-",
    quote("ä"),
    quote("\U0001f600" * 30),
    quote("{}:[]"),
]
EXPLAINED = {"chain", "token_address"}
"""Parameters that people type: a wrong one is explained with 400."""


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    return await unlimited(gateways)


async def call(client: GatewayClient, route: AnyRoute, path: str) -> Reply:
    options: dict[str, Any] = {}
    if route.body is not None:
        options["json"] = route.body_example
    return await client.call(route.method, path, token_for(route, client.issuer), **options)


async def test_an_id_that_cannot_exist_responds_404_on_every_route(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    for route in WITH_PARAMETERS:
        for name in parameters_of(route):
            for strange in STRANGE_IDS:
                response = await call(client, route, path_of(route, **{name: strange}))
                if route.operation_id == "show_unsubscribe":  # the page is the same for all
                    assert response.status in (200, 404)
                elif name in EXPLAINED:
                    assert response.status in (400, 404), (route, strange)
                else:
                    assert response.status == 404, (route, strange, response.body)


STRANGE_VALUES = [
    "",
    "%00",
    "%ff",
    "%ed%a0%80",
    "%f0%9f%98%80",
    "-1",
    "1.5",
    "1e400",
    "NaN",
    "null",
    "true",
    "%5b%5d",
    "9" * 16,
    "9" * 5_000,
    "a" * 8_000,
    "2026-11-27",
]


async def test_a_strange_query_is_explained_on_every_route(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    for route in ROUTES:
        if route.query is None:
            continue
        names = [member.alias or name for name, member in route.query.model_fields.items()]
        for name in [*names, "unknown", "%ff"]:
            for value in STRANGE_VALUES:
                others = {n: str(route.example[n]) for n in names if n in route.example}
                query = "&".join(f"{n}={v}" for n, v in ({**others, name: value}).items())
                path = f"{path_of(route)}?{query}"
                url = URL(client.url + path, encoded=True)
                token = token_for(route, client.issuer)
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with client.session.get(url, headers=headers) as response:
                    assert response.status != 500, (path, await response.text())
                    if response.status >= 400:
                        words = (await response.json())["detail"]
                        assert not JARGON.search(words), (path, words)


async def test_a_strange_header_is_no_error_on_any_read(gateways: Gateways) -> None:
    client = await unlimited(gateways, max_wait_seconds=0.1)
    await client.post("/v1/me", client.issuer.id())
    names = ("Prefer", "If-None-Match", "X-Min-Position", "traceparent", "X-Request-ID", "Origin")
    values = ['"', "W/", "wait=" + "9" * 6_000, "ä", '"' * 6_000, ",,,", "=", "member-@"]
    for route in READS:
        if route.streams or route.pending:
            continue
        for name in names:
            for value in values:
                token = token_for(route, client.issuer)
                headers = {name: value}
                response = await client.get(path_of(route) + _query(route), token, headers=headers)
                assert response.status != 500, (route, name, value)


async def test_the_ids_that_the_routes_name_as_examples_are_no_errors(
    client: GatewayClient,
) -> None:
    for route in ROUTES:
        if not route.streams:
            response = await call(client, route, path_of(route))
            assert response.status != 500, (route, response.body)


async def test_head_returns_the_status_and_headers_of_get_on_every_route(
    client: GatewayClient,
) -> None:
    await client.post("/v1/me", client.issuer.id())
    for route in READS:
        path, token = path_of(route) + _query(route), token_for(route, client.issuer)
        client.bus.forget_sent()
        head = await client.call("HEAD", path, token)
        assert client.bus.sent == [], "HEAD starts nothing"
        assert head.body == b""
        if route.streams and head.status == 200:
            assert head.headers["Content-Type"] == "text/event-stream"
            assert "Content-Length" not in head.headers
            continue
        get = await client.get(path, token)
        assert head.status == get.status, route
        volatile = {"X-Request-ID", "RateLimit", "Date", "Content-Length"}
        same = [name for name in get.headers if name not in volatile]
        assert {n: head.headers.get(n) for n in same} == {n: get.headers[n] for n in same}
        if get.body:
            assert int(head.headers["Content-Length"]) == len(get.body), route


def _query(route: AnyRoute) -> str:
    if route.query is None:
        return ""
    names = [member.alias or name for name, member in route.query.model_fields.items()]
    given = {name: route.example[name] for name in names if name in route.example}
    return "?" + "&".join(f"{name}={quote(str(value))}" for name, value in given.items())


async def test_head_of_an_event_stream_takes_no_place(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    for _ in range(5):
        response = await client.call("HEAD", "/v1/me/events", client.issuer.access())
        assert response.status == 200
    assert client.gateway.dependencies.streams.open == 0


async def test_head_honours_if_none_match(client: GatewayClient) -> None:
    await client.post("/v1/me", client.issuer.id())
    token = client.issuer.access()
    etag = (await client.call("HEAD", "/v1/me", token)).headers["ETag"]
    response = await client.call("HEAD", "/v1/me", token, headers={"If-None-Match": etag})
    assert response.status == 304


@pytest.mark.parametrize("path", ["/docs", "/v1/openapi.json", "/healthz", "/readyz"])
async def test_other_pages_support_head(path: str, client: GatewayClient) -> None:
    assert (await client.call("HEAD", path)).status == 200


async def test_every_202_has_the_members_that_the_pages_promise() -> None:
    for route in ROUTES:
        if route.success == 202 and route.response is not None:
            schema = route.response.model_json_schema(mode="serialization")
            assert {"status_code", "detail", "code", "request_id"} <= set(schema["required"]), route
