"""Codes and seats through the door."""

import statistics
import time
from typing import Any

import pytest

from contracts.referral_code import check_symbol, normalise
from contracts.rejections import UNKNOWN_CODE
from tests.gateway.conftest import Door, Doors, Reply
from tests.gateway.world import ALICE
from tests.support.eventually import eventually

BOB = "5e1f0c2a-0000-4000-8000-000000000b0b"
UNKNOWN = "000000000" + check_symbol("000000000")
CODES, USES = "/v1/referral/codes", "/v1/referral/uses"
ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
LIMITS = "gateway:limits"


@pytest.fixture
async def door(doors: Doors) -> Door:
    """One that counts and turns nobody away."""
    for name in ("uses", "misses-address", "guesses-missed"):
        await doors.redis.hset(LIMITS, name, "1/60;shadow")
    door = await doors.open()

    async def known() -> bool:
        return door.gateway.dependencies.limiter.table["uses"].shadow

    await eventually(known)
    return door


async def account(door: Door, sub: str = ALICE) -> str:
    """Opens it; its code."""
    answer = await door.post("/v1/me", door.issuer.id(sub, email=f"{sub[-4:]}@example.com"))
    return str(answer.json["referralCode"])


def address(sub: str) -> str:
    return f"{sub[-4:]}@example.com"


async def reserve(door: Door, code: str, sub: str = BOB) -> Reply:
    return await door.post(USES, json={"referralCode": code, "user": address(sub)})


async def confirm(door: Door, use_id: str, sub: str = BOB) -> Reply:
    token = door.issuer.id(sub, email=address(sub))
    return await door.post(f"{USES}/{use_id}/confirm", token, json={})


async def refer(door: Door, code: str, sub: str = BOB) -> str:
    use_id = str((await reserve(door, code, sub)).json["useId"])
    assert (await confirm(door, use_id, sub)).json == {"state": "confirmed"}
    return use_id


def admin(door: Door) -> str:
    return door.issuer.access("root", **ADMIN)


async def test_a_person_comes_by_a_code_in_two_steps(door: Door) -> None:
    code = await account(door)
    reserved = await reserve(door, code)
    assert (reserved.status, reserved.json["state"]) == (201, "reserved")
    me = (await door.get("/v1/me", door.issuer.access())).json
    assert (me["referralsPending"], me["referralsRemaining"]) == (1, 9)
    confirmed = await confirm(door, reserved.json["useId"])
    assert (confirmed.status, confirmed.json) == (200, {"state": "confirmed"})
    me = (await door.get("/v1/me", door.issuer.access())).json
    assert (me["referralsUsed"], me["referralsPending"], me["referralsRemaining"]) == (1, 0, 9)
    (row,) = (await door.get(USES, door.issuer.access())).json["items"]
    assert (row["invitedUser"], row["state"]) == ("0***@e***.com", "confirmed")
    again = await confirm(door, reserved.json["useId"])
    assert (again.status, again.json) == (200, {"state": "confirmed"})


async def test_using_a_code_twice_is_the_same_success(door: Door) -> None:
    code = await account(door)
    first = await reserve(door, code)
    second = await door.post(USES, json={"referralCode": code.lower(), "user": "0B0B@Example.com"})
    assert (second.status, second.body) == (201, first.body)


async def test_codes_that_cannot_be_used_are_refused_alike(door: Door) -> None:
    await account(door)
    spent = await account(door, BOB)
    quota = {"totalReferrals": 0, "reason": "a test"}
    await door.post(f"/v1/admin/members/{BOB}/quota", admin(door), json=quota)
    access = door.issuer.access()
    revoked = (await door.post(CODES, access, json={})).json["code"]
    assert (await door.call("DELETE", f"{CODES}/{revoked}", access)).status == 204
    answers = [await reserve(door, code, "x0c4") for code in (UNKNOWN, spent, revoked)]
    bodies = {tuple((k, v) for k, v in a.json.items() if k != "request_id") for a in answers}
    assert {answer.status for answer in answers} == {409}
    assert len(bodies) == 1
    path = "/v1/referral/valid?referral_code="
    looks = [await door.get(path + code) for code in (UNKNOWN, spent, revoked)]
    assert {(look.status, look.body) for look in looks} == {(200, b'{"valid":false}')}


async def test_strangers_codes_are_not_there(door: Door) -> None:
    await account(door)
    foreign = await account(door, BOB)
    access = door.issuer.access()
    for code in (UNKNOWN, foreign, "no-code"):
        answers = [
            await door.call("DELETE", f"{CODES}/{code}", access),
            await door.post(f"{CODES}/{code}/rotate", access),
            await door.get(f"{CODES}/{code}/qr", access),
        ]
        assert {(a.status, a.json["code"]) for a in answers} == {(404, "not_found")}
        assert {a.json["detail"] for a in answers} == {UNKNOWN_CODE}


async def test_the_time_of_an_answer_tells_nothing(door: Door) -> None:
    """Loosely: unknown and spent codes take their time from overlapping distributions."""
    spent = await account(door)
    quota = {"totalReferrals": 0, "reason": "a test"}
    await door.post(f"/v1/admin/members/{ALICE}/quota", admin(door), json=quota)
    times: dict[str, list[float]] = {UNKNOWN: [], spent: []}
    for round_ in range(25):
        for code, seen in times.items():
            started = time.perf_counter()
            await reserve(door, code, f"r{round_:03}")
            seen.append(time.perf_counter() - started)
    unknown, known_ = times.values()
    # how often a chance pair has the unknown code slower: one half, if nothing can be told
    slower = statistics.mean(a > b for a in unknown for b in known_)
    assert 0.1 < slower < 0.9, slower


async def test_typing_errors_are_told_before_anything_is_looked_up(door: Door) -> None:
    typo = UNKNOWN[:-1] + ("2" if UNKNOWN[-1] != "2" else "3")
    before = len(door.bus.sent)
    answer = await reserve(door, typo)
    assert (answer.status, answer.json["code"]) == (400, "invalid_referral_code")
    assert len(door.bus.sent) == before


async def test_wrong_codes_use_up_a_budget(doors: Doors) -> None:
    await doors.redis.hset(
        LIMITS,
        mapping={"uses": "99/60", "misses-address": "3/3600", "guesses-minute": "99/60"},
    )
    door = await doors.open()

    async def known() -> bool:
        return door.gateway.dependencies.limiter.table["misses-address"].quantity == 3

    await eventually(known)
    code = await account(door)
    assert [(await reserve(door, UNKNOWN)).status for _ in range(4)] == [409, 409, 409, 429]
    refused = await reserve(door, code)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    assert refused.json["violated-policies"] == ["misses-address"]
    token = door.issuer.access(BOB)
    signed_in = await door.get(f"/v1/referral/valid?referral_code={code}", token)
    assert signed_in.json == {"valid": True}


async def test_only_the_invited_person_takes_the_seat(door: Door) -> None:
    reserved = (await reserve(door, await account(door))).json
    mallory = await confirm(door, reserved["useId"], "mallory0bad")
    unknown = await confirm(door, "0" * 32)
    assert mallory.status == unknown.status == 404
    assert mallory.json["detail"] == unknown.json["detail"]
    access = door.issuer.access(BOB)
    assert (await door.post(f"{USES}/{reserved['useId']}/confirm", access, json={})).status == 403


async def test_a_program_confirms_and_releases_for_others(door: Door) -> None:
    code, program = await account(door), door.issuer.program()
    use_id = (await reserve(door, code)).json["useId"]
    assert (await door.call("DELETE", f"{USES}/{use_id}", program)).status == 204
    gone = await door.post(f"{USES}/{use_id}/confirm", program, json={"sub": BOB})
    assert (gone.status, gone.json["code"]) == (410, "reservation_ended")
    assert (await reserve(door, code)).status == 201
    path = f"{USES}/{use_id}/confirm"
    assert (await door.post(path, program, json={})).status == 422
    assert (await door.post(path, program, json={"sub": BOB})).json == {"state": "confirmed"}
    assert (await door.call("DELETE", f"{USES}/{use_id}", program)).status == 409


async def test_whoever_is_created_with_a_code_is_referred(door: Door) -> None:
    code, program = await account(door), door.issuer.program()
    body = {"sub": BOB, "user": address(BOB), "referralCode": code}
    assert (await door.post("/v1/users", program, json=body)).status == 201

    async def referred() -> bool:
        return bool((await door.get("/v1/me", door.issuer.access())).json["referralsUsed"] == 1)

    await eventually(referred)
    body = {"sub": "carol", "user": "carol@example.com", "referralCode": UNKNOWN}
    refused = await door.post("/v1/users", program, json=body)
    assert (refused.status, refused.json["code"]) == (409, "code_not_usable")


async def test_a_member_has_codes_of_several_kinds(door: Door) -> None:
    await account(door)
    access = door.issuer.access()
    vanity = {"kind": "vanity", "code": "Luna-Park", "maxUses": 1}
    made = await door.post(CODES, access, json=vanity)
    assert (made.status, made.json["code"], made.json["state"]) == (201, "LUNAPARK", "active")
    assert made.json["url"].endswith("LUNAPARK")
    assert (await reserve(door, "luna park")).status == 201
    assert (await reserve(door, "LUNAPARK", "x0c4")).status == 409
    listed = (await door.get(CODES, access)).json
    assert [code["state"] for code in listed["items"]] == ["active", "spent"]
    taken = await door.post(CODES, access, json=vanity)
    assert (taken.status, taken.json["code"]) == (409, "code_taken")
    await account(door, BOB)
    theirs = await door.post(CODES, door.issuer.access(BOB), json=vanity)
    assert (theirs.status, theirs.json["code"]) == (409, "code_taken")
    for body, word in (
        ({"kind": "vanity", "code": "ADMIN"}, "official"),
        ({"kind": "vanity", "code": "abc"}, "4 to 8"),
        ({"kind": "vanity"}, "4 to 8"),
        ({"code": "NICE"}, "set kind to vanity"),
        ({"expiresAt": 1}, "passed"),
        ({"maxUses": 0}, "greater"),
    ):
        refused = await door.post(CODES, access, json=body)
        assert refused.status == 422, body
        assert word in refused.json["detail"]


async def test_a_rotated_code_ends_at_once(door: Door) -> None:
    old = await account(door)
    access = door.issuer.access()
    new = (await door.post(f"{CODES}/{old}/rotate", access)).json["code"]
    assert new != old
    assert (await reserve(door, old)).status == 409
    assert (await reserve(door, new)).status == 201
    assert (await door.get("/v1/me", access)).json["referralCode"] == new
    assert (await door.post(f"{CODES}/{old}/rotate", access)).status == 409


async def test_a_code_is_shown_as_a_picture(door: Door) -> None:
    code = await account(door)
    picture = await door.get(f"{CODES}/{code}/qr", door.issuer.access())
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/svg+xml")
    assert picture.body.startswith(b"<svg")


async def test_the_team_holds_campaigns_and_quotas(door: Door) -> None:
    campaign = {"id": "spring", "code": "SPRING26", "totalReferrals": 1, "reason": "the fair"}
    made = await door.post("/v1/admin/campaigns", admin(door), json=campaign)
    assert (made.status, made.json["code"]["code"]) == (201, "SPRING26")
    await refer(door, "spring26")
    assert (await reserve(door, "SPRING26", "x0c4")).status == 409
    more = {"totalReferrals": 5, "reason": "it goes well"}
    told = await door.post("/v1/admin/members/team:spring/quota", admin(door), json=more)
    assert (told.status, told.json["remaining"]) == (200, 4)
    ended = f"/v1/admin/members/team:spring/codes/{made.json['code']['code']}/revoke"
    assert (await door.post(ended, admin(door), json={"reason": "over"})).status == 200
    assert (await reserve(door, "SPRING26", "x0c5")).status == 409
    shown = await door.get("/v1/admin/members/team:spring", admin(door))
    assert shown.json["codes"][0]["state"] == "revoked"
    for path in ("/v1/admin/campaigns", "/v1/admin/members/x/quota"):
        assert (await door.post(path, door.issuer.access(), json=campaign)).status == 404
    (event,) = [e for e in await events(door, "member-team:spring") if e.type == "QuotaGranted"]
    assert (event.by, event.reason) == ("root", "it goes well")


async def events(door: Door, stream: str) -> list[Any]:
    return list((await door.bus.stores["referrals"].load(stream)).events)


async def test_a_doubtful_referral_waits_for_a_person(door: Door) -> None:
    """Two who refer one another: the second time is held, explained and decided by the team."""
    alices, bobs = await account(door), await account(door, BOB)
    await refer(door, alices)

    async def credited() -> bool:
        return any(e.type == "ReferredCredited" for e in await events(door, f"member-{BOB}"))

    await eventually(credited)
    use_id = (await reserve(door, bobs, ALICE)).json["useId"]
    assert (await confirm(door, use_id, ALICE)).json == {"state": "held"}
    (case,) = (await door.get("/v1/admin/cases", admin(door))).json["items"]
    assert (case["useId"], case["referrerId"]) == (use_id, BOB)
    names = {component["name"] for component in case["assessment"]["components"]}
    assert "ring" in names
    why = {"reason": "they know one another"}
    approve = f"/v1/admin/cases/{use_id}/approve"
    assert (await door.post(approve, admin(door), json=why)).status == 204
    assert (await door.get("/v1/admin/cases", admin(door))).json["items"] == []
    row = (await door.get(f"{USES}?state=confirmed", door.issuer.access(BOB))).json["items"][0]
    assert row["useId"] == use_id
    reverse = f"/v1/admin/uses/{use_id}/reverse"
    assert (await door.post(reverse, admin(door), json=why)).status == 204
    assert (await door.post(approve, admin(door), json=why)).status == 409


async def test_codes_are_stored_as_they_are_compared(door: Door) -> None:
    code = await account(door)
    keys = await door.redis.keys("*{codes:*entries")
    assert await door.redis.hget(keys[0], normalise(code)) == f"member-{ALICE}".encode()
