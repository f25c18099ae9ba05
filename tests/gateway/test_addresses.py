"""Addresses of people who signed up are accepted or refused with advice, and appear in no log."""

from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Gateways
from tests.gateway.environment import ALICE
from tests.gateway.written_logs import log_of_requests
from tests.support.eventually import eventually

BOB = "5e1f0c2a-0000-4000-8000-000000000b0b"
LIMITS = "gateway:limits"
ACCEPTED = [
    "sam@corp.local", "root@localhost", "sam@office.test", "sam@home.arpa",
    '"sam smith"@example.com', "sam@[192.0.2.1]", "sam@intranet", "sam@example.com",
    "jörg@example.com", "用户@例子.广告", "fiona.o\u2019brien@example.net",
]  # fmt: skip
REFUSED = [
    f"{'sam' * 100}@example.com", "sam\x00smith@example.com", "sam\r\nBcc: x@example.com",
    "\u202emas@example.com", "no address", "@", "sam@", "sam@example.com\u2028",
]  # fmt: skip


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    """A gateway whose limits count and reject no request."""
    names = ("uses", "accounts", "invites", "writes")
    await gateways.redis.hset(LIMITS, mapping=dict.fromkeys(names, "1/60;shadow"))
    client = await gateways.open()

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["uses"].shadow

    await eventually(known)
    return client


@pytest.mark.parametrize("address", ACCEPTED)
async def test_a_verified_address_opens_an_account_and_takes_a_seat(
    client: GatewayClient, address: str
) -> None:
    opened = await client.post("/v1/me", client.issuer.id(ALICE))
    token = client.issuer.id(BOB, email=address)
    body = {"referralCode": opened.json["referralCode"], "user": address}
    reserved = await client.post("/v1/referral/uses", token, json=body)
    assert reserved.status == 201, reserved.body
    path = f"/v1/referral/uses/{reserved.json['useId']}/confirm"
    assert (await client.post(path, token, json={})).json == {"state": "confirmed"}
    assert (await client.post("/v1/me", token)).json["user"] == address

    async def registered() -> bool:
        return f"inviter-{BOB}" in client.bus.stores["invites"].streams

    await eventually(registered)


@pytest.mark.parametrize("address", REFUSED, ids=lambda text: ascii(text[:24]))
async def test_a_verified_address_that_cannot_be_stored_is_explained_and_not_logged(
    gateways: Gateways, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    client = await gateways.open(log_format="json")
    token = client.issuer.id(email=address)
    for path, body in (("/v1/me", None), (f"/v1/referral/uses/{'0' * 32}/confirm", {})):
        response = await client.post(path, token, json=body)
        assert (response.status, response.json["code"]) == (409, "email_not_usable")
        assert "Change it in your profile" in response.json["detail"]
    lines = await log_of_requests(capsys, 2)
    assert "Traceback" not in lines
    assert not any(part in lines for part in (address, "sam", "example.com") if len(part) > 1)


@pytest.mark.parametrize(
    ("address", "advice"),
    [("jörg@example.com", "accents"), ("fiona.o\u2019brien@example.net", "curly"),
     ('"sam smith"@example.com', "quote"), ("sam@corp.local", "public domain")],
)  # fmt: skip
async def test_a_typed_address_that_gets_no_mail_is_refused_with_advice(
    client: GatewayClient, address: str, advice: str
) -> None:
    opened = await client.post("/v1/me", client.issuer.id(ALICE))
    code: Any = opened.json["referralCode"]
    access = client.issuer.access()
    requests = (
        await client.post("/v1/invites", access, json={"email": address}),
        await client.post("/v1/referral/uses", json={"referralCode": code, "user": address}),
    )
    for response, field in zip(requests, ("email", "user"), strict=True):
        assert (response.status, response.json["code"]) == (422, "invalid_request")
        (error,) = response.json["errors"]
        assert error["field"] == field
        assert advice in error["detail"]
    rows = {"rows": [{"email": address}, {"email": "fresh@xn--bcher-kva.example"}]}
    bulk = await client.post("/v1/invites/bulk", access, json=rows)
    assert bulk.json["rejected"] == [{"row": 1, "code": "invalid_email"}]
    assert bulk.json["accepted"] == 1
