"""Members choose a name or hide themselves; what others see of them on the leaderboards."""

import time
from typing import Any

import pytest

from tests.gateway.conftest import GatewayClient, Reply
from tests.gateway.environment import ALICE
from tests.gateway.test_points import BOARD, backdate, client, close_yesterday, played
from tests.gateway.test_referrals import BOB, account

__all__ = ["client", "played"]
PROFILE = "/v1/me/profile"
MASKED = "a***@e***.com"
ADMIN: dict[str, Any] = {"cognito:groups": ["admin"]}
HOSTILE = '<img src=x onerror="alert(1)">'


async def put(client: GatewayClient, name: Any, *, on_boards: bool = True, **options: Any) -> Reply:
    body = {"displayName": name, "onBoards": on_boards}
    return await client.call("PUT", PROFILE, client.issuer.access(), json=body, **options)


async def rows(client: GatewayClient, sub: str, query: str = "") -> list[tuple[str, bool]]:
    page = (await client.get(f"{BOARD}?{query}", client.issuer.access(sub))).json
    return [(row["displayName"], row["anonymous"]) for row in page["items"]]


async def test_a_member_chooses_a_name_and_reads_it(client: GatewayClient) -> None:
    await account(client)
    first = await client.get(PROFILE, client.issuer.access())
    assert first.json == {"displayName": None, "onBoards": True}
    changed = await put(client, "  Zoe\u0308  M. ")
    assert (changed.status, changed.json) == (200, {"displayName": "Zoë M.", "onBoards": True})
    position = changed.headers["X-Position"]
    assert position == f"member-{ALICE}@3"
    read = await client.get(PROFILE, client.issuer.access(), headers={"X-Min-Position": position})
    assert read.json == changed.json
    assert (await client.get("/v1/me", client.issuer.access())).json["displayName"] == "Zoë M."


async def test_a_repetition_under_a_key_is_the_same_response(client: GatewayClient) -> None:
    await account(client)
    key = {"Idempotency-Key": "a-name"}
    first = await put(client, "Alice", headers=key)
    again = await put(client, "Alice", headers=key)
    assert (again.status, again.json) == (first.status, first.json)
    other = await put(client, "Bob", headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_a_profile_needs_an_account(client: GatewayClient) -> None:
    read = await client.get(PROFILE, client.issuer.access())
    assert (read.status, read.json["code"]) == (404, "no_account")
    changed = await put(client, "Alice")
    assert (changed.status, changed.json["code"]) == (404, "no_account")


@pytest.mark.parametrize(
    "name",
    ["", "  ", "a\nb", "a\u202eb", "a\u200bb", "a\u200eb", "a@b.example", "a" * 41, 7, ["a"]],
)
async def test_a_name_that_cannot_be_shown_is_refused_by_field(
    client: GatewayClient, name: Any
) -> None:
    refused = await put(client, name)
    assert (refused.status, refused.json["code"]) == (422, "invalid_request")
    assert [error["field"] for error in refused.json["errors"]] == ["displayName"]


async def test_both_fields_are_required(client: GatewayClient) -> None:
    token = client.issuer.access()
    refused = await client.call("PUT", PROFILE, token, json={})
    assert {error["field"] for error in refused.json["errors"]} == {"displayName", "onBoards"}


async def test_others_see_the_chosen_name_as_it_is(played: GatewayClient) -> None:
    await put(played, HOSTILE)
    assert (await rows(played, BOB))[0] == (HOSTILE, False)
    assert (await rows(played, BOB, "around=me"))[0] == (HOSTILE, False)
    assert (await rows(played, BOB, "period=month"))[0] == (HOSTILE, False)
    await put(played, None)
    assert (await rows(played, BOB))[0][0] == MASKED


async def test_a_hidden_member_is_anonymous_to_others_on_every_board(
    played: GatewayClient,
) -> None:
    await backdate(played, ALICE)
    await put(played, "Alice")
    await close_yesterday(played, (300, 1), (0, 41))
    past = f"at={int(time.time())}"
    queries = ("", "limit=1", "around=me", "period=month", "period=month&around=me", past)
    for query in queries:
        assert (await rows(played, BOB, query))[0] == ("Alice", False), query
    ranks = (await played.get(BOARD, played.issuer.access(BOB))).json["items"]
    await put(played, "Alice", on_boards=False)
    for query in queries:
        assert (await rows(played, BOB, query))[0] == ("A member", True), query
        body = (await played.get(f"{BOARD}?{query}", played.issuer.access(BOB))).body
        assert b"Alice" not in body
        assert b"a***" not in body
        assert ALICE.encode() not in body
    hidden = (await played.get(BOARD, played.issuer.access(BOB))).json["items"]
    assert [(r["rank"], r["points"]) for r in hidden] == [(r["rank"], r["points"]) for r in ranks]


async def test_a_hidden_member_sees_their_place_and_name(played: GatewayClient) -> None:
    await backdate(played, ALICE)
    await put(played, "Alice", on_boards=False)
    await close_yesterday(played, (300, 1), (0, 41))
    for query in ("", "around=me", "limit=1&cursor=2", f"at={int(time.time())}"):
        me = (await played.get(f"{BOARD}?{query}", played.issuer.access())).json["me"]
        assert (me["rank"], me["displayName"], me["anonymous"]) == (1, "Alice", True), query


async def test_two_members_may_have_the_same_name(played: GatewayClient) -> None:
    body = {"displayName": "Alice", "onBoards": True}
    for sub in (ALICE, BOB):
        token = played.issuer.access(sub)
        assert (await played.call("PUT", PROFILE, token, json=body)).status == 200
    assert [name for name, _ in await rows(played, BOB)][:2] == ["Alice", "Alice"]


async def test_a_name_is_never_shown_as_an_address(played: GatewayClient) -> None:
    await put(played, "Alice")
    entries = (await played.get("/v1/points/ledger", played.issuer.access(BOB))).json["items"]
    assert entries[0]["explanation"]["person"] == MASKED


async def test_an_administrator_clears_a_name(played: GatewayClient) -> None:
    await put(played, HOSTILE)
    path, body = f"/v1/admin/members/{ALICE}/display-name/clear", {"reason": "it insults people"}
    refused = await played.call("POST", path, played.issuer.access(BOB), json=body)
    assert refused.status == 404
    admin = played.issuer.access("root", **ADMIN)
    unexplained = await played.call("POST", path, admin, json={})
    assert [error["field"] for error in unexplained.json["errors"]] == ["reason"]
    cleared = await played.call("POST", path, admin, json=body)
    assert (cleared.status, cleared.json["memberId"]) == (200, ALICE)
    assert (await rows(played, BOB))[0] == (MASKED, False)
    read = await played.get(PROFILE, played.issuer.access())
    assert read.json == {"displayName": None, "onBoards": True}
    again = await played.call("POST", path, admin, json=body)
    assert again.status == 200
    unknown = "/v1/admin/members/no-one/display-name/clear"
    missing = await played.call("POST", unknown, admin, json=body)
    assert (missing.status, missing.json["code"]) == (404, "no_account")
