"""Metrics count requests by route template, never by path."""

from typing import Any

from tests.gateway.conftest import GatewayClient


async def test_metrics_name_routes_by_their_templates(client: GatewayClient) -> None:
    await client.get("/v1/me", client.issuer.access())
    await client.get("/v1/operations/secret-id", client.issuer.access())
    await client.get("/somewhere/else")
    request: Any = None
    response: Any = await client.gateway.metrics.serve(request)
    text = response.body.decode()
    assert 'route="/v1/operations/{command_id}",status="404"' in text
    assert 'route="none",status="404"' in text
    assert "secret-id" not in text
    assert "somewhere" not in text
    assert (await client.get("/metrics")).status == 404
