"""Referral codes, referrals and their administration, through the gateway."""

import statistics
import time
from typing import Any

import pytest

from contracts.referral_code import check_symbol, normalise
from contracts.rejections import UNKNOWN_CODE
from tests.gateway.conftest import GatewayClient, Gateways, Reply
from tests.gateway.environment import ALICE
from tests.support.eventually import eventually

BOB = "5e1f0c2a-0000-4000-8000-000000000b0b"
UNKNOWN = "000000000" + check_symbol("000000000")
CODES, USES = "/v1/referral/codes", "/v1/referral/uses"
ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
LIMITS = "gateway:limits"


@pytest.fixture
async def client(gateways: Gateways) -> GatewayClient:
    """A gateway whose limits count and reject no request."""
    for name in ("uses", "misses-address", "guesses-missed"):
        await gateways.redis.hset(LIMITS, name, "1/60;shadow")
    client = await gateways.open()

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["uses"].shadow

    await eventually(known)
    return client


async def account(client: GatewayClient, sub: str = ALICE) -> str:
    """Open an account and return its code."""
    response = await client.post("/v1/me", client.issuer.id(sub, email=f"{sub[-4:]}@example.com"))
    return str(response.json["referralCode"])


def address(sub: str) -> str:
    return f"{sub[-4:]}@example.com"


async def reserve(client: GatewayClient, code: str, sub: str = BOB) -> Reply:
    return await client.post(USES, json={"referralCode": code, "user": address(sub)})


async def confirm(client: GatewayClient, use_id: str, sub: str = BOB) -> Reply:
    token = client.issuer.id(sub, email=address(sub))
    return await client.post(f"{USES}/{use_id}/confirm", token, json={})


async def refer(client: GatewayClient, code: str, sub: str = BOB) -> str:
    use_id = str((await reserve(client, code, sub)).json["useId"])
    assert (await confirm(client, use_id, sub)).json == {"state": "confirmed"}
    return use_id


def admin(client: GatewayClient) -> str:
    return client.issuer.access("root", **ADMIN)


async def test_a_code_reserves_a_seat_that_the_person_confirms_after_sign_up(
    client: GatewayClient,
) -> None:
    code = await account(client)
    reserved = await reserve(client, code)
    assert (reserved.status, reserved.json["state"]) == (201, "reserved")
    me = (await client.get("/v1/me", client.issuer.access())).json
    assert (me["referralsPending"], me["referralsRemaining"]) == (1, 9)
    confirmed = await confirm(client, reserved.json["useId"])
    assert (confirmed.status, confirmed.json) == (200, {"state": "confirmed"})
    me = (await client.get("/v1/me", client.issuer.access())).json
    assert (me["referralsUsed"], me["referralsPending"], me["referralsRemaining"]) == (1, 0, 9)
    (row,) = (await client.get(USES, client.issuer.access())).json["items"]
    assert (row["invitedUser"], row["state"]) == ("0***@e***.com", "confirmed")
    again = await confirm(client, reserved.json["useId"])
    assert (again.status, again.json) == (200, {"state": "confirmed"})


async def test_using_a_code_twice_returns_the_same_seat(client: GatewayClient) -> None:
    code = await account(client)
    first = await reserve(client, code)
    second = await client.post(
        USES, json={"referralCode": code.lower(), "user": "0B0B@Example.com"}
    )
    assert second.status == 201
    at = {"expiresAt": 0}  # for a stranger it is half an hour after each request
    assert second.json | at == first.json | at


async def test_unusable_codes_get_the_same_response_whatever_the_reason(
    client: GatewayClient,
) -> None:
    await account(client)
    spent = await account(client, BOB)
    quota = {"totalReferrals": 0, "reason": "a test"}
    await client.post(f"/v1/admin/members/{BOB}/quota", admin(client), json=quota)
    access = client.issuer.access()
    revoked = (await client.post(CODES, access, json={})).json["code"]
    assert (await client.call("DELETE", f"{CODES}/{revoked}", access)).status == 204
    answers = [await reserve(client, code, "x0c4") for code in (UNKNOWN, spent, revoked)]
    bodies = {tuple((k, v) for k, v in a.json.items() if k != "request_id") for a in answers}
    assert {response.status for response in answers} == {409}
    assert len(bodies) == 1
    path = "/v1/referral/valid?referral_code="
    looks = [await client.get(path + code) for code in (UNKNOWN, spent, revoked)]
    assert {(look.status, look.body) for look in looks} == {(200, b'{"valid":false}')}


async def test_another_members_code_responds_like_an_unknown_one(client: GatewayClient) -> None:
    await account(client)
    foreign = await account(client, BOB)
    access = client.issuer.access()
    for code in (UNKNOWN, foreign, "no-code"):
        answers = [
            await client.call("DELETE", f"{CODES}/{code}", access),
            await client.post(f"{CODES}/{code}/rotate", access),
            await client.get(f"{CODES}/{code}/qr", access),
        ]
        assert {(a.status, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert {a.json["detail"] for a in answers} == {UNKNOWN_CODE}


async def test_response_times_do_not_reveal_whether_a_code_exists(client: GatewayClient) -> None:
    """The response times of unknown and spent codes overlap."""
    spent = await account(client)
    quota = {"totalReferrals": 0, "reason": "a test"}
    await client.post(f"/v1/admin/members/{ALICE}/quota", admin(client), json=quota)
    times: dict[str, list[float]] = {UNKNOWN: [], spent: []}
    for round_ in range(25):
        for code, seen in times.items():
            started = time.perf_counter()
            await reserve(client, code, f"r{round_:03}")
            seen.append(time.perf_counter() - started)
    unknown, known_ = times.values()
    # share of random pairs in which the unknown code is slower: one half, if times are equal
    slower = statistics.mean(a > b for a in unknown for b in known_)
    assert 0.1 < slower < 0.9, slower


async def test_typing_errors_are_reported_without_sending_a_command(client: GatewayClient) -> None:
    typo = UNKNOWN[:-1] + ("2" if UNKNOWN[-1] != "2" else "3")
    before = len(client.bus.sent)
    response = await reserve(client, typo)
    assert (response.status, response.json["code"]) == (400, "invalid_referral_code")
    assert len(client.bus.sent) == before


async def test_wrong_codes_spend_a_budget(gateways: Gateways) -> None:
    await gateways.redis.hset(
        LIMITS,
        mapping={"uses": "99/60", "misses-address": "3/3600", "guesses-minute": "99/60"},
    )
    client = await gateways.open()

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["misses-address"].quantity == 3

    await eventually(known)
    code = await account(client)
    assert [(await reserve(client, UNKNOWN)).status for _ in range(4)] == [409, 409, 409, 429]
    rejected = await reserve(client, code)
    assert (rejected.status, rejected.headers["Retry-After"]) == (429, "60")
    assert rejected.json["violated-policies"] == ["misses-address"]
    token = client.issuer.access(BOB)
    signed_in = await client.get(f"/v1/referral/valid?referral_code={code}", token)
    assert signed_in.json == {"valid": True}


async def test_only_the_invited_person_can_take_the_seat(client: GatewayClient) -> None:
    reserved = (await reserve(client, await account(client))).json
    mallory = await confirm(client, reserved["useId"], "mallory0bad")
    unknown = await confirm(client, "0" * 32)
    assert mallory.status == unknown.status == 404
    assert mallory.json["detail"] == unknown.json["detail"]
    access = client.issuer.access(BOB)
    assert (await client.post(f"{USES}/{reserved['useId']}/confirm", access, json={})).status == 403


async def test_a_program_confirms_and_releases_seats(client: GatewayClient) -> None:
    code, program = await account(client), client.issuer.program()
    use_id = (await reserve(client, code)).json["useId"]
    assert (await client.call("DELETE", f"{USES}/{use_id}", program)).status == 204
    gone = await client.post(f"{USES}/{use_id}/confirm", program, json={"sub": BOB})
    assert (gone.status, gone.json["code"]) == (410, "reservation_ended")
    assert (await reserve(client, code)).status == 201
    path = f"{USES}/{use_id}/confirm"
    assert (await client.post(path, program, json={})).status == 422
    assert (await client.post(path, program, json={"sub": BOB})).json == {"state": "confirmed"}
    assert (await client.call("DELETE", f"{USES}/{use_id}", program)).status == 409


async def test_a_person_created_with_a_code_is_referred(client: GatewayClient) -> None:
    code, program = await account(client), client.issuer.program()
    body = {"sub": BOB, "user": address(BOB), "referralCode": code}
    assert (await client.post("/v1/users", program, json=body)).status == 201
    await client.bus.settle()
    assert (await client.get("/v1/me", client.issuer.access())).json["referralsUsed"] == 1
    body = {"sub": "carol", "user": "carol@example.com", "referralCode": UNKNOWN}
    rejected = await client.post("/v1/users", program, json=body)
    assert (rejected.status, rejected.json["code"]) == (409, "code_not_usable")


async def test_a_member_can_issue_random_and_vanity_codes(client: GatewayClient) -> None:
    await account(client)
    access = client.issuer.access()
    vanity = {"kind": "vanity", "code": "Luna-Park", "maxUses": 1}
    made = await client.post(CODES, access, json=vanity)
    assert (made.status, made.json["code"], made.json["state"]) == (201, "LUNAPARK", "active")
    assert made.json["url"].endswith("LUNAPARK")
    assert (await reserve(client, "luna park")).status == 201
    assert (await reserve(client, "LUNAPARK", "x0c4")).status == 409
    listed = (await client.get(CODES, access)).json
    assert [code["state"] for code in listed["items"]] == ["active", "spent"]
    taken = await client.post(CODES, access, json=vanity)
    assert (taken.status, taken.json["code"]) == (409, "code_taken")
    await account(client, BOB)
    theirs = await client.post(CODES, client.issuer.access(BOB), json=vanity)
    assert (theirs.status, theirs.json["code"]) == (409, "code_taken")
    for body, word in (
        ({"kind": "vanity", "code": "ADMIN"}, "official"),
        ({"kind": "vanity", "code": "abc"}, "4 to 8"),
        ({"kind": "vanity"}, "4 to 8"),
        ({"code": "NICE"}, "set kind to vanity"),
        ({"expiresAt": 1}, "passed"),
        ({"maxUses": 0}, "1 or more"),
    ):
        rejected = await client.post(CODES, access, json=body)
        assert rejected.status == 422, body
        assert word in rejected.json["detail"]


async def test_a_rotated_code_stops_working_at_once(client: GatewayClient) -> None:
    old = await account(client)
    access = client.issuer.access()
    new = (await client.post(f"{CODES}/{old}/rotate", access)).json["code"]
    assert new != old
    assert (await reserve(client, old)).status == 409
    assert (await reserve(client, new)).status == 201
    assert (await client.get("/v1/me", access)).json["referralCode"] == new
    assert (await client.post(f"{CODES}/{old}/rotate", access)).status == 409


async def test_a_code_has_a_qr_code(client: GatewayClient) -> None:
    code = await account(client)
    picture = await client.get(f"{CODES}/{code}/qr", client.issuer.access())
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/svg+xml")
    assert picture.body.startswith(b"<svg")


async def test_administrators_open_campaigns_and_set_quotas(client: GatewayClient) -> None:
    campaign = {"id": "spring", "code": "SPRING26", "totalReferrals": 1, "reason": "the fair"}
    made = await client.post("/v1/admin/campaigns", admin(client), json=campaign)
    assert (made.status, made.json["code"]["code"]) == (201, "SPRING26")
    await refer(client, "spring26")
    assert (await reserve(client, "SPRING26", "x0c4")).status == 409
    more = {"totalReferrals": 5, "reason": "it goes well"}
    granted = await client.post("/v1/admin/members/team:spring/quota", admin(client), json=more)
    assert (granted.status, granted.json["remaining"]) == (200, 4)
    ended = f"/v1/admin/members/team:spring/codes/{made.json['code']['code']}/revoke"
    assert (await client.post(ended, admin(client), json={"reason": "over"})).status == 200
    assert (await reserve(client, "SPRING26", "x0c5")).status == 409
    shown = await client.get("/v1/admin/members/team:spring", admin(client))
    assert shown.json["codes"][0]["state"] == "revoked"
    for path in ("/v1/admin/campaigns", "/v1/admin/members/x/quota"):
        assert (await client.post(path, client.issuer.access(), json=campaign)).status == 404
    (event,) = [e for e in await events(client, "member-team:spring") if e.type == "QuotaGranted"]
    assert (event.by, event.reason) == ("root", "it goes well")


async def events(client: GatewayClient, stream: str) -> list[Any]:
    return list((await client.bus.stores["referrals"].load(stream)).events)


async def test_a_doubtful_referral_is_held_until_an_administrator_decides(
    client: GatewayClient,
) -> None:
    """Two people refer each other: the second referral is held, explained and decided."""
    alices, bobs = await account(client), await account(client, BOB)
    await refer(client, alices)

    async def credited() -> bool:
        return any(e.type == "ReferredCredited" for e in await events(client, f"member-{BOB}"))

    await eventually(credited)
    use_id = (await reserve(client, bobs, ALICE)).json["useId"]
    assert (await confirm(client, use_id, ALICE)).json == {"state": "held"}
    (case,) = (await client.get("/v1/admin/cases", admin(client))).json["items"]
    assert (case["useId"], case["referrerId"]) == (use_id, BOB)
    names = {component["name"] for component in case["assessment"]["components"]}
    assert "ring" in names
    why = {"reason": "they know one another"}
    approve = f"/v1/admin/cases/{use_id}/approve"
    assert (await client.post(approve, admin(client), json=why)).status == 204
    assert (await client.get("/v1/admin/cases", admin(client))).json["items"] == []
    row = (await client.get(f"{USES}?state=confirmed", client.issuer.access(BOB))).json["items"][0]
    assert row["useId"] == use_id
    reverse = f"/v1/admin/uses/{use_id}/reverse"
    assert (await client.post(reverse, admin(client), json=why)).status == 204
    assert (await client.post(approve, admin(client), json=why)).status == 409


async def test_codes_are_indexed_in_their_normal_form(client: GatewayClient) -> None:
    code = await account(client)
    keys = await client.redis.keys("*{codes:*entries")
    assert await client.redis.hget(keys[0], normalise(code)) == f"member-{ALICE}".encode()


async def test_referred_people_are_listed_page_by_page(client: GatewayClient) -> None:
    code = await account(client)
    quota = {"totalReferrals": 60, "reason": "a test"}
    await client.post(f"/v1/admin/members/{ALICE}/quota", admin(client), json=quota)
    for number in range(52):
        await reserve(client, code, f"n{number:03}")
    use_id = str((await reserve(client, code, "n000")).json["useId"])
    assert (await confirm(client, use_id, "n000")).json == {"state": "held"}  # for its velocity
    own = client.issuer.access(ALICE)
    first = (await client.get(USES, own)).json
    rest = (await client.get(f"{USES}?cursor={first['next']}", own)).json
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (50, 2, None)
    ids = [item["useId"] for item in (*first["items"], *rest["items"])]
    assert len(set(ids)) == 52
    held = (await client.get(f"{USES}?state=held", own)).json
    assert [item["useId"] for item in held["items"]] == [ids[-1]] == [use_id]
    reserved = (await client.get(f"{USES}?state=reserved", own)).json
    last = (await client.get(f"{USES}?state=reserved&cursor={reserved['next']}", own)).json
    assert last["next"] is None
    assert [item["useId"] for item in last["items"]] == [ids[-2]]


async def test_anonymous_uses_of_one_code_are_limited(gateways: Gateways) -> None:
    await gateways.redis.hset(LIMITS, mapping={"uses": "99/60", "code-uses": "2/3600"})
    client = await gateways.open()

    async def known() -> bool:
        return client.gateway.dependencies.limiter.table["code-uses"].quantity == 2

    await eventually(known)
    code = await account(client)
    statuses = [(await reserve(client, code, f"n{number:03}")).status for number in range(3)]
    assert statuses == [201, 201, 429]
    own = client.issuer.id(BOB, email=address(BOB))
    body = {"referralCode": code, "user": address(BOB)}
    assert (await client.post(USES, own, json=body)).status == 201


async def test_a_reservation_is_verified_by_the_callers_token(client: GatewayClient) -> None:
    code = await account(client)
    body = {"referralCode": code, "user": "Bob+news@example.com"}
    tokens = {
        "": False,
        client.issuer.id(BOB, email="bob@example.com"): True,
        client.issuer.id(BOB, email="mallory@example.com"): False,
        client.issuer.program(): True,
    }
    for token, verified in tokens.items():
        await client.post(USES, token or None, json=body)
        sent = [each for each in client.bus.sent if each.body["type"] == "ReserveReferral"]
        assert sent[-1].body["verified"] is verified


async def test_administrators_need_a_second_person_for_their_own_referrals_and_quota(
    client: GatewayClient,
) -> None:
    code = await account(client)
    use_id = await refer(client, code)
    own, other = client.issuer.access(**ADMIN), admin(client)
    quota = f"/v1/admin/members/{ALICE}/quota"
    more = {"totalReferrals": 2_000, "reason": "more for me"}
    refused = await client.post(quota, own, json=more)
    assert (refused.status, refused.json["code"]) == (409, "second_person_required")
    assert "another administrator" in refused.json["detail"]
    assert (await client.post(quota, other, json=more)).status == 200
    reverse, why = f"/v1/admin/uses/{use_id}/reverse", {"reason": "a mistake"}
    for token in (own, client.issuer.access(BOB, **ADMIN)):
        refused = await client.post(reverse, token, json=why)
        assert (refused.status, refused.json["code"]) == (409, "second_person_required")
    assert (await client.post(reverse, other, json=why)).status == 204
