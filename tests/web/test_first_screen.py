"""The first screen needs one request for what it shows, and changes by events after that."""

import re
from urllib.parse import urlsplit

from tests.web.browser import without_parts
from tests.web.conftest import Arrive
from tests.web.test_session import live
from tests.web.test_story import an_address

OVERVIEW = "/v1/me/overview"


async def test_the_home_page_is_shown_with_one_request(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await live(alice, alice.page)
    # a rank that becomes known later is a change, for which the page loads more
    await alice.shows("rank").get_by_text(re.compile(r"\d")).wait_for()
    asked: list[str] = []
    alice.page.on("request", lambda each: asked.append(urlsplit(each.url).path))
    await alice.page.reload()
    await alice.shows("code").wait_for()
    await alice.shows("points").wait_for()
    await live(alice, alice.page)
    assert sorted(path for path in asked if path.startswith("/v1/")) == ["/v1/me/events", OVERVIEW]


async def test_a_part_that_the_overview_lacks_is_loaded_by_itself(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await alice.shows("points").wait_for()

    await alice.page.route(f"**{OVERVIEW}", without_parts)
    async with alice.page.expect_request("**/v1/points/ledger**"):
        await alice.page.reload()
    await alice.shows("points").get_by_text("0", exact=True).wait_for()
    await alice.page.get_by_text("No points yet. Invite someone").wait_for()
