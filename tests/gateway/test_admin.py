from typing import Any

import pytest

from tests.gateway.conftest import Door, Doors
from tests.gateway.world import ALICE
from tests.support.eventually import eventually

ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
PATH = "/v1/admin/revocations"


async def test_an_administrator_calls_a_persons_tokens_back(doors: Doors) -> None:
    door, other = await doors.open(), await doors.open()
    token, admin = door.issuer.access(), door.issuer.access("root", **ADMIN)
    assert (await door.get("/v1/me", token)).status == 404
    assert (await other.get("/v1/me", token)).status == 404
    answer = await door.post(PATH, admin, json={"sub": ALICE})
    assert (answer.status, answer.json["kind"]) == (201, "sub")
    refused = await door.get("/v1/me", token)
    assert (refused.status, refused.json["detail"]) == (403, "The token has been revoked.")

    async def refused_elsewhere() -> bool:
        return (await other.get("/v1/me", token)).status == 403

    await eventually(refused_elsewhere)
    assert (await door.get("/v1/me", admin)).status == 404


async def test_to_others_there_is_no_such_place(door: Door) -> None:
    for token in (door.issuer.access(), door.issuer.program()):
        assert (await door.post(PATH, token, json={"sub": ALICE})).status == 404
    assert (await door.post(PATH, door.issuer.id(**ADMIN), json={"sub": ALICE})).status == 403


@pytest.mark.parametrize("body", [{}, {"sub": "a", "jti": "b"}, {"sub": ""}, {"iss": "a"}])
async def test_a_revocation_names_one_thing(body: dict[str, str], door: Door) -> None:
    admin = door.issuer.access("root", **ADMIN)
    assert (await door.post(PATH, admin, json=body)).status == 422


async def test_pages_of_allowed_origins_may_call(doors: Doors) -> None:
    door = await doors.open(cors_origins=frozenset({"https://app.example.com"}))
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    before = await door.call("OPTIONS", "/v1/me", headers=asked)
    assert before.status == 204
    assert before.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert before.headers["Access-Control-Allow-Methods"] == "DELETE, GET, POST"
    assert "Idempotency-Key" in before.headers["Access-Control-Allow-Headers"]
    answer = await door.get("/v1/me", door.issuer.access(), headers={"Origin": asked["Origin"]})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"


async def test_pages_of_other_origins_may_not(doors: Doors) -> None:
    door = await doors.open(cors_origins=frozenset({"https://app.example.com"}))
    for origin in ("https://evil.example.com", "https://app.example.com.evil.com", "null"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        before = await door.call("OPTIONS", "/v1/me", headers=asked)
        assert before.status == 405
        assert "Access-Control-Allow-Origin" not in before.headers


async def test_figures_are_told_by_template(door: Door) -> None:
    await door.get("/v1/me", door.issuer.access())
    await door.get("/v1/operations/secret-id", door.issuer.access())
    await door.get("/somewhere/else")
    request: Any = None
    response: Any = await door.gateway.metrics.serve(request)
    text = response.body.decode()
    assert 'route="/v1/operations/{command_id}",status="404"' in text
    assert 'route="none",status="404"' in text
    assert "secret-id" not in text
    assert "somewhere" not in text
    assert (await door.get("/metrics")).status == 404
