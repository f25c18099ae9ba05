"""Members choose what others see of them on the leaderboard, and see their own place."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tests.support.eventually import eventually
from tests.web.browser import Visitor
from tests.web.conftest import Arrive
from tests.web.test_story import an_address

NAME = "Name on the leaderboard"
SHOWN = "Show my name to others"
SAVED = "Saved. All leaderboards show it now."


async def two_members(arrive: Arrive) -> tuple[Visitor, Visitor]:
    """Let Alice and then Bob join: with no points, the one who joined last is the last."""
    alice, bob = await arrive(), await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await alice.shows("code").wait_for()
    joined = int(time.time())
    await eventually(later_than(joined))
    await bob.open("/app/")
    await bob.sign_in(an_address("bob"))
    await bob.shows("code").wait_for()
    return alice, bob


def later_than(second: int) -> Callable[[], Awaitable[bool]]:
    """Return a check that a later second has begun: who joins in it ranks below."""

    async def check() -> bool:
        return int(time.time()) > second

    return check


def rows(visitor: Visitor) -> Any:
    return visitor.page.locator("table.board tbody tr")


def row_above_me(visitor: Visitor) -> Any:
    """Return the row above the visitor's."""
    return visitor.page.locator('tr:has(+ [data-test="me"])')


async def save(visitor: Visitor, name: str) -> None:
    settings = visitor.shows("appearance")
    await settings.get_by_label(NAME).fill(name)
    await settings.get_by_role("button", name="Save").click()


async def has_name(visitor: Visitor, name: str, page: Any = None) -> bool:
    """Return whether the field for the name contains this one."""
    field = visitor.shows("appearance", page).get_by_label(NAME)
    return bool(await field.input_value() == name)


async def test_others_see_a_chosen_name_as_text_and_nothing_of_a_hidden_member(
    arrive: Arrive,
) -> None:
    hostile = f'<img src=x onerror="alert({secrets.randbelow(10**6)})">'
    alice, bob = await two_members(arrive)
    await alice.page.get_by_role("link", name="Leaderboard").click()
    await bob.open("/app/board")
    await row_above_me(bob).get_by_text(re.compile(r"a\*\*\*@e\*\*\*\.com")).wait_for()
    await row_above_me(bob).get_by_text("0", exact=True).wait_for()

    other_tab = await alice.context.new_page()
    await alice.open("/app/board", other_tab)
    await save(alice, hostile)
    await alice.text(SAVED)
    await alice.shows("me").get_by_text(hostile).wait_for()
    await alice.shows("me", other_tab).get_by_text(hostile).wait_for()
    # the name of the board and that of the field come with different responses
    await eventually(partial(has_name, alice, hostile, other_tab), seconds=60)
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
    assert "0" in (await hidden.text_content() or "")
    assert rank == await rows(bob).nth(0).locator("td").first.text_content()
    assert hostile not in await bob.page.content()


async def test_a_name_that_is_typed_while_an_earlier_one_is_saved_stays(arrive: Arrive) -> None:
    alice, allowed = await arrive(), asyncio.Event()

    async def hold(route: Any) -> None:
        await allowed.wait()
        await route.continue_()

    await alice.open_signed_in("/app/board", an_address("alice"))
    field = alice.shows("appearance").get_by_label(NAME)
    await field.wait_for()
    await alice.context.route("**/v1/me/profile", hold)
    async with alice.page.expect_response(is_read_of_profile) as read:
        await save(alice, "Alice")
        await field.fill("Alice A.")
        allowed.set()
        await alice.shows("me").get_by_text("Alice").wait_for()
    await (await read.value).finished()
    await alice.page.evaluate("new Promise(requestAnimationFrame)")  # what came is shown
    assert await field.input_value() == "Alice A."
    await alice.shows("appearance").get_by_role("button", name="Save").click()
    await alice.text(SAVED)
    await alice.shows("me").get_by_text("Alice A.").wait_for()


def is_read_of_profile(response: Any) -> bool:
    """Return whether the page has loaded the profile, as it does after each event about it."""
    is_read: bool = response.request.method == "GET"
    return is_read and str(response.url).endswith("/v1/me/profile")


async def test_a_name_that_is_refused_is_explained_at_its_field(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/board")
    await alice.sign_in(an_address("alice"))
    await save(alice, "alice@example.com")
    await alice.text("A name cannot contain @")
    field = alice.shows("appearance").get_by_label(NAME)
    assert await field.get_attribute("aria-invalid") == "true"
    await alice.choose_language("de")
    await alice.text("Dieser Name kann nicht angezeigt werden.")
    await alice.choose_language("en")
    await save(alice, "  Alice   A. ")
    await alice.text(SAVED)
    assert await field.input_value() == "Alice A."
