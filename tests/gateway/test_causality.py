"""A request that depends on what is still on its way waits for it, and gets no untrue refusal."""

import asyncio
from typing import Any

import pytest

from gateway.api import inviters
from tests.gateway.conftest import GatewayClient, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

ANNOUNCEMENTS = "test-invites-announcements.fifo"
REQUESTS: list[tuple[str, Any]] = [
    ("/v1/invites", {"email": "bob@example.org"}),
    ("/v1/invites/bulk", {"rows": [{"email": "bob@example.org"}]}),
]


async def newcomer(client: GatewayClient) -> str:
    """Open an account that the invites service does not know yet."""
    client.bus.memory.held_queues.add(ANNOUNCEMENTS)
    assert (await client.post("/v1/me", client.issuer.id())).status == 201
    return client.issuer.access()


@pytest.mark.parametrize(("path", "body"), REQUESTS)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "first"}, {"Prefer": "wait=20"}])
async def test_inviting_right_after_opening_an_account_waits_for_it(
    client: GatewayClient, path: str, body: Any, headers: dict[str, str]
) -> None:
    token = await newcomer(client)
    inviting = asyncio.create_task(client.post(path, token, json=body, headers=headers))
    changes = client.gateway.dependencies.changes

    async def waiting() -> bool:
        return changes.watched > 0

    await eventually(waiting)
    client.bus.release()
    reply = await inviting
    assert (reply.status, reply.headers.get("X-Position")) == (202, f"inviter-{ALICE}@2") or (
        path.endswith("bulk") and reply.json["accepted"] == 1
    )


@pytest.mark.parametrize(("path", "body"), REQUESTS)
@pytest.mark.parametrize("prefer", ["wait=0", "respond-async", "wait=1"])
async def test_an_account_that_is_not_known_in_time_is_not_ready_instead_of_missing(
    client: GatewayClient,
    path: str,
    body: Any,
    prefer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inviters, "LEAST_SECONDS", 0.05)
    token = await newcomer(client)
    headers = {"Idempotency-Key": "first"}

    async def invite(**more: str) -> Reply:
        return await client.post(path, token, json=body, headers=headers | more)

    early = await invite(Prefer=prefer)
    assert (early.status, early.json["code"]) == (503, "account_not_ready")
    assert early.headers["Retry-After"] == "1"
    client.bus.release()

    async def accepted() -> bool:
        return (await invite()).status == 202

    await eventually(accepted)


async def test_a_person_without_an_account_is_refused_at_once(client: GatewayClient) -> None:
    for path, body in REQUESTS:
        refused = await client.post(path, client.issuer.access(), json=body)
        assert (refused.status, refused.json["code"]) == (404, "no_account")
    assert client.gateway.dependencies.changes.watched == 0
