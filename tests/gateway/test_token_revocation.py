"""Administrators revoke tokens; all gateways reject them from then on."""

from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
PATH = "/v1/admin/revocations"


async def test_an_administrator_revokes_a_persons_tokens_in_all_workers(gateways: Gateways) -> None:
    client, other = await gateways.open(), await gateways.open()
    token, admin = client.issuer.access(), client.issuer.access("root", **ADMIN)
    assert (await client.get("/v1/me", token)).status == 404
    assert (await other.get("/v1/me", token)).status == 404
    response = await client.post(PATH, admin, json={"sub": ALICE})
    assert (response.status, response.json["kind"]) == (201, "sub")
    rejected = await client.get("/v1/me", token)
    assert (rejected.status, rejected.json["detail"]) == (403, "The token has been revoked.")

    async def rejected_elsewhere() -> bool:
        return (await other.get("/v1/me", token)).status == 403

    await eventually(rejected_elsewhere)
    assert (await client.get("/v1/me", admin)).status == 404


async def test_other_callers_get_404_for_admin_routes(client: GatewayClient) -> None:
    for token in (client.issuer.access(), client.issuer.program()):
        assert (await client.post(PATH, token, json={"sub": ALICE})).status == 404
    assert (await client.post(PATH, client.issuer.id(**ADMIN), json={"sub": ALICE})).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sub": "a", "jti": "b"},
        {"sub": ""},
        {"iss": "a"},
        {"sub": None},
        {"jti": None},
        {"originJti": None},
        {"sub": None, "jti": "b"},
        {"sub": None, "jti": None, "originJti": None},
        {"sub": " a"},
        {"jti": "b "},
        {"originJti": "b\n"},
    ],
)
async def test_a_revocation_names_exactly_one_thing(
    body: dict[str, str | None], client: GatewayClient
) -> None:
    admin = client.issuer.access("root", **ADMIN)
    assert (await client.post(PATH, admin, json=body)).status == 422
