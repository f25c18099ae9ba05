"""Texts that strangers choose are shown as text, whatever they contain and wherever they appear."""

import csv
import io
import json
from typing import Any

import pytest

from deploy.local.chain import TOKEN
from tests.support.stack import Stack
from tests.web.browser import Visitor, without_parts
from tests.web.chains import Place
from tests.web.conftest import Arrive
from tests.web.test_map_picture import changing
from tests.web.test_story import an_address

MARKUP = (
    '"\'><img src=x class=hostile onerror="window.hostile=1"><script>window.hostile=1</script>'
    '<a href="javascript:window.hostile=1">{constructor}${1}&lt;b&gt;\u202e\u0000'
)
"""Tries to end an attribute, to run a script, to fill a template, and to hide what follows."""
FREE_TEXTS = frozenset(
    ("detail", "displayName", "email", "invited", "inviter", "label", "name", "note", "person",
     "symbol", "text", "rule", "title")
)  # fmt: skip
"""Names of the fields of responses whose values people or tokens choose, at least in part."""
FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", '="a",b\n"c"',
)  # fmt: skip
INJECTED = """(() => [typeof window.hostile,
  document.querySelectorAll(".hostile, [onerror], a[href^='javascript'], main script").length])()"""


@pytest.fixture(scope="module")
async def site(place: Place) -> Stack:
    return place.stack


def made_hostile(value: Any) -> Any:
    """Return a response in which each free text is hostile."""
    if isinstance(value, list):
        return [made_hostile(each) for each in value]
    if isinstance(value, dict):
        return {
            key: MARKUP if key in FREE_TEXTS and isinstance(each, str) else made_hostile(each)
            for key, each in value.items()
        }
    return value


async def made_hostile_route(route: Any) -> None:
    response = await route.fetch()
    if "json" in response.headers.get("content-type", ""):
        body = made_hostile(await response.json())
        await route.fulfill(response=response, body=json.dumps(body))
    else:
        await route.fulfill(response=response)


async def nothing_is_injected(visitor: Visitor) -> None:
    assert await visitor.page.evaluate(INJECTED) == ["undefined", 0]


async def hostile_visitor(arrive: Arrive, path: str) -> Visitor:
    """Return a member whose page gets hostile texts in every response but those of sign-in."""
    alice = await arrive(viewport={"width": 1400, "height": 1000})
    streams = "**/v1/**/events*"
    await alice.context.route("**/v1/**", made_hostile_route)
    await alice.context.route(streams, lambda route: route.continue_())
    await alice.open_signed_in(path, an_address("alice"))
    return alice


MEMBER_PAGES = {
    "/app/": "[data-test=ledger] li",
    "/app/invite": "[data-test=invitations] li",
    "/app/board": "table.board td.break",
}
LEDGER = {
    "items": [
        {
            "delta": 100, "state": state, "reason": reason, "at": 1_700_000_000,
            "settledAt": None, "rulesVersion": 1, "cause": f"member-1@{number}",
            "explanation": {"text": "", "person": "", "rule": "", "code": None, "inviteId": None},
        }
        for number, (state, reason) in enumerate(
            {"confirmed": "referral", "pending": "was_referred", "void": "credit_withdrawn"}.items()
        )
    ],
    "next": None,
}  # fmt: skip
INVITATIONS = {
    "items": [
        {
            "inviteId": f"i-{state}", "email": "", "note": "", "name": "", "state": state,
            "seat": None, "requestedAt": 1_700_000_000, "expiresAt": 4_000_000_000,
            "resendsLeft": 1, "resendableAt": 1_700_000_000,
            "timeline": [{"what": "requested", "at": 1_700_000_000}],
        }
        for state in ("requested", "bounced")
    ],
    "next": None,
}  # fmt: skip
BOARD_ROW = {"rank": 1, "displayName": "", "points": 5, "isMe": False}
BOARD = {
    "items": [BOARD_ROW, BOARD_ROW | {"isMe": True}], "me": None, "total": 2,
    "asOf": 1_700_000_000, "next": None, "position": "x",
}  # fmt: skip
REPLIES = {
    "**/v1/points/ledger*": LEDGER,
    "**/v1/invites": INVITATIONS,
    "**/v1/leaderboard?*": BOARD,
}


async def test_members_pages_show_them_as_text(arrive: Arrive) -> None:
    alice = await hostile_visitor(arrive, "/app/")
    for pattern, reply in REPLIES.items():
        await alice.context.route(pattern, replying_hostile(reply))
    await alice.context.route("**/v1/me/overview", without_parts)
    for path, shown in MEMBER_PAGES.items():
        await alice.open(path)
        place = alice.page.locator(shown).first
        await place.wait_for()
        assert "<script>" in (await place.text_content() or ""), path
        for details in await alice.page.locator("summary").all():
            await details.click()
        await nothing_is_injected(alice)


def replying_hostile(reply: Any) -> Any:
    body = json.dumps(made_hostile(reply))

    async def answer(route: Any) -> None:
        await route.fulfill(status=200, content_type="application/json", body=body)

    return answer


async def test_an_invitation_shows_them_as_text(arrive: Arrive) -> None:
    bob = await arrive()
    question = {
        "inviter": "", "invited": "", "state": "sent", "expiresAt": 4_000_000_000,
        "referralCode": None,
    }  # fmt: skip
    await bob.context.route("**/v1/invites/lookup", replying_hostile(question))
    await bob.open("/app/invited#token")
    await bob.shows("question").wait_for()
    assert "<script>" in (await bob.shows("question").text_content() or "")
    await nothing_is_injected(bob)


async def test_problems_show_them_as_text(arrive: Arrive) -> None:
    bob = await arrive()
    problem = {"status": 410, "code": "unheard_of", "detail": "", "title": ""}
    body = json.dumps(made_hostile(problem))
    await bob.context.route(
        "**/v1/invites/lookup", lambda route: route.fulfill(status=410, body=body)
    )
    await bob.open("/app/invited#token")
    await bob.page.get_by_role("alert").get_by_text("<script>").wait_for()
    await nothing_is_injected(bob)


async def test_addresses_of_pages_are_shown_as_text(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open_signed_in(
        "/app/token/%3Cimg%20class=hostile%3E/%22%3E%3Cscript%3E", an_address("alice")
    )
    await alice.page.get_by_role("alert").first.wait_for()
    await nothing_is_injected(alice)
    await alice.open("/app/token/pictured/0x12?select=%3Cimg%20class=hostile%3E&at=%3Cb%3E")
    await alice.page.get_by_role("alert").first.wait_for()
    await nothing_is_injected(alice)
    await alice.page.evaluate("sessionStorage.clear()")
    await alice.open("/app/join?code=%22%3E%3Cimg%20class=hostile%20onerror=alert(1)%3E")
    assert "<img" in await alice.page.get_by_label("Referral code").input_value()
    await nothing_is_injected(alice)


async def test_the_page_of_a_token_shows_them_as_text(arrive: Arrive) -> None:
    alice = await hostile_visitor(arrive, f"/app/token/pictured/{TOKEN}")
    await alice.page.locator("[data-test=map][data-drawn]").wait_for(timeout=150_000)
    assert "<img" in await alice.shows("token-name").inner_text()  # long names are shortened
    rows = alice.page.get_by_role("treeitem")
    for number in range(await rows.count()):
        await rows.nth(number).click()
        await nothing_is_injected(alice)
    await alice.page.locator("[data-test=map]").hover()
    await nothing_is_injected(alice)
    await alice.open("/app/token/")
    await alice.page.get_by_role("link").filter(has_text="<img").first.wait_for()
    await nothing_is_injected(alice)


async def test_formulas_are_quoted_in_spreadsheets(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.context.route("**/map?*", changing(labelled))
    await alice.open_signed_in(f"/app/token/pictured/{TOKEN}", an_address("alice"))
    await alice.page.locator("[data-test=map][data-drawn]").wait_for(timeout=150_000)
    async with alice.page.expect_download() as download:
        await alice.page.get_by_role("button", name="Save as CSV").click()
    path = await (await download.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    labels = {row["label"] for row in rows} - {""}
    assert labels == {f"'{formula}" for formula in FORMULAS}


def labelled(body: dict[str, Any]) -> None:
    for node in body["nodes"]:
        node["label"] = None
    for node, formula in zip(body["nodes"], FORMULAS, strict=False):
        node["label"] = formula
