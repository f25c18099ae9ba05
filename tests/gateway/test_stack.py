"""Run the gateway as a process on the deployed template, with tokens of the user pool."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture
async def url(stack: Stack) -> str:
    await stack.service("referrals").start().ready()
    return (await stack.service("gateway").start().ready()).url


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def tokens(stack: Stack) -> dict[str, str]:
    """Sign a new person up and in."""
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    await asyncio.to_thread(stack.users.sign_up, email)
    signed_in = await asyncio.to_thread(stack.users.sign_in, email)
    return {"email": email, "id": signed_in["id"], "access": signed_in["access"]}


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a request that waits for its result also on a slow machine."""
    return {"Authorization": f"Bearer {token}", "Prefer": "wait=20"}


async def test_a_person_signs_in_and_opens_an_account(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    person = await tokens(stack)
    keyed = bearer(person["id"]) | {"Idempotency-Key": "first"}
    async with session.post(f"{url}/v1/me", headers=keyed) as response:
        created = await response.read()
        assert (response.status, response.headers["Location"]) == (201, "/v1/me"), created
    async with session.post(f"{url}/v1/me", headers=keyed) as again:
        assert (again.status, await again.read()) == (201, created)
    async with session.get(f"{url}/v1/me", headers=bearer(person["access"])) as read:
        assert (read.status, await read.read()) == (200, created)
        entry = await read.json()
        assert entry["user"] == person["email"]
    query = f"referral_code={entry['referralCode']}"
    async with session.get(f"{url}/v1/referral/valid?{query}") as valid:
        assert await valid.json() == {"valid": True}
    async with session.post(f"{url}/v1/me", headers=bearer(person["access"])) as rejected:
        assert rejected.status == 403


async def test_a_program_opens_an_account_with_its_credentials(
    stack: Stack, url: str, session: aiohttp.ClientSession
) -> None:
    token = await asyncio.to_thread(stack.users.service_token)
    person = await tokens(stack)
    body: dict[str, Any] = {"sub": uuid.uuid4().hex, "user": person["email"]}
    async with session.post(f"{url}/v1/users", headers=bearer(token), json=body) as response:
        assert response.status == 201, await response.text()
    async with session.post(f"{url}/v1/users", headers=bearer(token), json=body) as again:
        assert again.status == 409
    other = bearer(person["access"])
    async with session.post(f"{url}/v1/users", headers=other, json=body) as hidden:
        assert hidden.status == 404


async def test_the_process_shuts_down_cleanly(stack: Stack) -> None:
    gateway = await stack.service("gateway").start().ready()
    assert gateway.process is not None
    gateway.process.terminate()
    assert await gateway.died() == 0
    assert "gateway_stopped" in gateway.log.read_text()
