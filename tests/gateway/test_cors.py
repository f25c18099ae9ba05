"""Pages from configured origins may call the API, and read its headers."""

from tests.gateway.conftest import Gateways


async def test_pages_from_allowed_origins_may_call(gateways: Gateways) -> None:
    client = await gateways.open(cors_origins=frozenset({"https://app.example.com"}))
    preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    response = await client.call("OPTIONS", "/v1/me", headers=preflight)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert response.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST, PUT"
    assert "Idempotency-Key" in response.headers["Access-Control-Allow-Headers"]
    response = await client.get(
        "/v1/me", client.issuer.access(), headers={"Origin": preflight["Origin"]}
    )
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["Vary"] == "Origin"


async def test_pages_from_other_origins_may_not_call(gateways: Gateways) -> None:
    client = await gateways.open(cors_origins=frozenset({"https://app.example.com"}))
    for origin in ("https://evil.example.com", "https://app.example.com.evil.com", "null"):
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        response = await client.call("OPTIONS", "/v1/me", headers=preflight)
        assert response.status == 405
        assert "Access-Control-Allow-Origin" not in response.headers
