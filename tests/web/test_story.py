"""A member invites a person by mail, who joins; the member's page shows it without a reload."""

import asyncio
import secrets
from typing import Any

from tests.support.stack import Stack
from tests.web.browser import stored
from tests.web.conftest import Arrive
from tests.web.mails import link_in_mail
from tests.web.states import QUESTION, Reply, replying

HOSTILE = '<img src=x onerror="alert(1)">'


def an_address(name: str) -> str:
    return f"{name}-{secrets.token_hex(4)}@example.com"


async def test_from_the_link_in_a_mail_to_the_points_of_the_inviter(
    arrive: Arrive, site: Stack
) -> None:
    alice, bob, bobs_address = await arrive(), await arrive(), an_address("bob")
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await alice.shows("points").wait_for()
    assert await alice.shows("points").text_content() == "0"

    await alice.page.get_by_role("link", name="Invite", exact=True).click()
    await alice.page.get_by_label("E-mail address").fill(bobs_address)
    await alice.page.get_by_label("Your name").fill(HOSTILE)
    await alice.page.get_by_role("button", name="Send the invitation").click()
    await alice.text(f"Your invitation to {bobs_address} is on its way.")
    await alice.shows("invitations").get_by_text(bobs_address).wait_for()
    await alice.page.get_by_role("link", name="Home").click()
    await alice.shows("points").wait_for()

    link = await link_in_mail(site, bobs_address)
    await bob.page.goto(link)
    await bob.shows("question").wait_for()
    assert HOSTILE in (await bob.shows("question").text_content() or "")
    assert "#" not in bob.page.url
    await bob.page.get_by_role("button", name="Yes, I accept").click()
    await bob.text("A seat is reserved for you")
    await bob.sign_in(bobs_address)
    await bob.text("You are in: 10 points for you")

    await alice.shows("points").get_by_text("100", exact=True).wait_for()
    ledger = alice.shows("ledger")
    await ledger.get_by_text(f"{bobs_address} joined").click()
    await ledger.get_by_text("member-").wait_for()
    await alice.page.get_by_role("link", name="Leaderboard").click()
    await alice.shows("me").get_by_text("100", exact=True).wait_for()


async def test_an_address_that_is_typed_while_another_is_invited_stays(arrive: Arrive) -> None:
    alice, allowed = await arrive(), asyncio.Event()

    async def hold(route: Any) -> None:
        response = await route.fetch()
        await allowed.wait()
        await route.fulfill(response=response)

    await alice.open_signed_in("/app/invite", an_address("alice"))
    field, first, second = alice.page.get_by_label("E-mail address"), *map(an_address, "bc")
    await field.fill(first)
    await alice.context.route("**/v1/invites", hold)
    await alice.page.get_by_role("button", name="Send the invitation").click()
    await field.fill(second)
    allowed.set()
    await alice.text(f"Your invitation to {first} is on its way.")
    assert await field.input_value() == second


async def test_an_acceptance_that_takes_longer_is_repeated_until_the_seat_is_known(
    arrive: Arrive,
) -> None:
    bob, path, replies = await arrive(), "/v1/invites/accept", list[Reply]()
    replies.append(Reply(202, {"code": "accepted"}, location=path))
    replies.append(Reply(200, {"useId": "u", "invited": "b***"}))

    async def answer(route: Any) -> None:
        await replying(replies.pop(0))(route)

    await bob.context.route("**/v1/invites/lookup", replying(Reply(200, QUESTION)))
    await bob.context.route(f"**{path}", answer)
    await bob.open("/app/invited#token")
    await bob.page.get_by_role("button", name="Yes, I accept").click()
    await bob.text("A seat is reserved for you")
    assert "vouch.joining" in (await stored(bob.page))["session"]


async def test_a_person_joins_with_a_shared_code(arrive: Arrive) -> None:
    alice, carol, address = await arrive(), await arrive(), an_address("carol")
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    code = (await alice.shows("code").text_content() or "").strip()
    await carol.open(f"/app/join?code={code}")
    await carol.page.get_by_label("Your e-mail address").fill(address)
    await carol.page.get_by_role("button", name="Reserve my seat").click()
    await carol.text("Your seat is reserved")
    await alice.shows("seats").get_by_text("1 pending").wait_for()
    await carol.sign_in(address)
    await carol.text("You are in")
    await alice.shows("seats").get_by_text("1 used").wait_for()


async def test_a_mistyped_code_is_explained(arrive: Arrive) -> None:
    carol = await arrive()
    await carol.open("/app/join?code=00000-00001")
    await carol.page.get_by_label("Your e-mail address").fill(an_address("carol"))
    await carol.page.get_by_role("button", name="Reserve my seat").click()
    await carol.text("This referral code has a typing error.")


async def test_an_invitation_is_declined(arrive: Arrive, site: Stack) -> None:
    alice, dave, address = await arrive(), await arrive(), an_address("dave")
    await alice.open("/app/invite")
    await alice.sign_in(an_address("alice"))
    await alice.page.get_by_label("E-mail address").fill(address)
    await alice.page.get_by_role("button", name="Send the invitation").click()
    await dave.page.goto(await link_in_mail(site, address))
    await dave.page.get_by_role("button", name="No, thank you").click()
    await dave.text("You have declined the invitation.")
    await alice.shows("invitations").get_by_text("declined", exact=True).wait_for()
    await dave.open("/app/invited#cut-off")
    await dave.text("This link does not work.")


async def test_many_people_are_invited_with_a_result_next_to_each(arrive: Arrive) -> None:
    alice, address = await arrive(), an_address("erin")
    await alice.open("/app/invite")
    await alice.sign_in(an_address("alice"))
    await alice.page.get_by_role("button", name="Many").click()
    note = f"Hello; {HOSTILE}".replace('"', '""')
    rows = f'email;note\n{address};"{note}"\nno address;\n'
    await alice.page.get_by_label("Addresses, one per line").fill(rows)
    await alice.text("not a complete address")
    await alice.page.get_by_role("button", name="Send 1 invitation").click()
    await alice.text("1 invitation is on its way.")
    outcomes = alice.page.get_by_role("group", name="Rows").get_by_role("row")
    assert HOSTILE in (await outcomes.nth(1).text_content() or "")
    assert "on its way" in (await outcomes.nth(1).text_content() or "")
    assert "not a complete address" in (await outcomes.nth(2).text_content() or "")
