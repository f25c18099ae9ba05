from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
PATH = "/v1/admin/revocations"


async def test_an_administrator_calls_a_persons_tokens_back(gateways: Gateways) -> None:
    client, other = await gateways.open(), await gateways.open()
    token, admin = client.issuer.access(), client.issuer.access("root", **ADMIN)
    assert (await client.get("/v1/me", token)).status == 404
    assert (await other.get("/v1/me", token)).status == 404
    answer = await client.post(PATH, admin, json={"sub": ALICE})
    assert (answer.status, answer.json["kind"]) == (201, "sub")
    refused = await client.get("/v1/me", token)
    assert (refused.status, refused.json["detail"]) == (403, "The token has been revoked.")

    async def refused_elsewhere() -> bool:
        return (await other.get("/v1/me", token)).status == 403

    await eventually(refused_elsewhere)
    assert (await client.get("/v1/me", admin)).status == 404


async def test_to_others_there_is_no_such_place(client: GatewayClient) -> None:
    for token in (client.issuer.access(), client.issuer.program()):
        assert (await client.post(PATH, token, json={"sub": ALICE})).status == 404
    assert (await client.post(PATH, client.issuer.id(**ADMIN), json={"sub": ALICE})).status == 403


@pytest.mark.parametrize("body", [{}, {"sub": "a", "jti": "b"}, {"sub": ""}, {"iss": "a"}])
async def test_a_revocation_names_one_thing(body: dict[str, str], client: GatewayClient) -> None:
    admin = client.issuer.access("root", **ADMIN)
    assert (await client.post(PATH, admin, json=body)).status == 422


async def test_pages_of_allowed_origins_may_call(gateways: Gateways) -> None:
    client = await gateways.open(cors_origins=frozenset({"https://app.example.com"}))
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    before = await client.call("OPTIONS", "/v1/me", headers=asked)
    assert before.status == 204
    assert before.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert before.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST"
    assert "Idempotency-Key" in before.headers["Access-Control-Allow-Headers"]
    answer = await client.get("/v1/me", client.issuer.access(), headers={"Origin": asked["Origin"]})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"


async def test_pages_of_other_origins_may_not(gateways: Gateways) -> None:
    client = await gateways.open(cors_origins=frozenset({"https://app.example.com"}))
    for origin in ("https://evil.example.com", "https://app.example.com.evil.com", "null"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        before = await client.call("OPTIONS", "/v1/me", headers=asked)
        assert before.status == 405
        assert "Access-Control-Allow-Origin" not in before.headers


async def test_figures_are_told_by_template(client: GatewayClient) -> None:
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
