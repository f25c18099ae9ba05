"""Members choose what others see of them on the leaderboard, and see their own place."""

import re
import secrets
from typing import Any

from tests.web.browser import Visitor
from tests.web.conftest import Arrive
from tests.web.test_story import an_address

NAME = "Name on the leaderboard"
SHOWN = "Show my name to others"
SAVED = "Saved. All leaderboards show it now."


async def two_members(arrive: Arrive) -> tuple[Visitor, Visitor]:
    """Let Alice refer Bob, so that both have points, and return them."""
    alice, bob, bobs_address = await arrive(), await arrive(), an_address("bob")
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    code = (await alice.shows("code").text_content() or "").strip()
    await bob.open(f"/app/join?code={code}")
    await bob.page.get_by_label("Your e-mail address").fill(bobs_address)
    await bob.page.get_by_role("button", name="Reserve my seat").click()
    await bob.text("Your seat is reserved")
    await bob.sign_in(bobs_address)
    await bob.text("You are in")
    await alice.shows("points").get_by_text("100", exact=True).wait_for()
    return alice, bob


def rows(visitor: Visitor) -> Any:
    return visitor.page.locator("table.board tbody tr")


def row_above_me(visitor: Visitor) -> Any:
    """Return the row above the visitor's."""
    return visitor.page.locator('tr:has(+ [data-test="me"])')


async def save(visitor: Visitor, name: str) -> None:
    settings = visitor.shows("appearance")
    await settings.get_by_label(NAME).fill(name)
    await settings.get_by_role("button", name="Save").click()


async def test_others_see_a_chosen_name_as_text_and_nothing_of_a_hidden_member(
    arrive: Arrive,
) -> None:
    hostile = f'<img src=x onerror="alert({secrets.randbelow(10**6)})">'
    alice, bob = await two_members(arrive)
    await alice.page.get_by_role("link", name="Leaderboard").click()
    await bob.open("/app/board")
    await row_above_me(bob).get_by_text("100", exact=True).wait_for()
    assert re.search(r"a\*\*\*@e\*\*\*\.com", await row_above_me(bob).text_content() or "")

    other_tab = await alice.context.new_page()
    await alice.open("/app/board", other_tab)
    await save(alice, hostile)
    await alice.text(SAVED)
    await alice.shows("me").get_by_text(hostile).wait_for()
    await alice.shows("me", other_tab).get_by_text(hostile).wait_for()
    assert await alice.shows("appearance", other_tab).get_by_label(NAME).input_value() == hostile
    assert await alice.violations() == []

    await bob.page.reload()
    await row_above_me(bob).get_by_text(hostile).wait_for()
    assert await bob.page.locator("table.board img").count() == 0

    await alice.shows("appearance").get_by_label(SHOWN).uncheck()
    await alice.shows("appearance").get_by_role("button", name="Save").click()
    await alice.text(SAVED)
    mine = alice.shows("me")
    await mine.get_by_text("hidden from others").wait_for()
    assert hostile in (await mine.text_content() or "")

    rank = await rows(bob).nth(0).locator("td").first.text_content()
    await bob.page.reload()
    hidden = row_above_me(bob)
    await hidden.get_by_text("a member", exact=True).wait_for()
    assert "100" in (await hidden.text_content() or "")
    assert rank == await rows(bob).nth(0).locator("td").first.text_content()
    assert hostile not in await bob.page.content()


async def test_a_name_that_is_refused_is_explained_at_its_field(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/board")
    await alice.sign_in(an_address("alice"))
    await save(alice, "alice@example.com")
    await alice.text("A name cannot contain @")
    field = alice.shows("appearance").get_by_label(NAME)
    assert await field.get_attribute("aria-invalid") == "true"
    await alice.page.locator("select").first.select_option("de")
    await alice.text("Dieser Name kann nicht angezeigt werden.")
    await alice.page.locator("select").first.select_option("en")
    await save(alice, "  Alice   A. ")
    await alice.text(SAVED)
    assert await field.input_value() == "Alice A."
