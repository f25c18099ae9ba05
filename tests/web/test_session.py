"""Signing in and out, and one event stream for all tabs of a browser."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.limits.table import default_limits
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.web.browser import Visitor, stored
from tests.web.conftest import Arrive, links_to
from tests.web.test_story import an_address


async def test_a_person_signs_in_and_out(arrive: Arrive) -> None:
    alice, email = await arrive(), an_address("alice")
    await alice.open("/app/board")
    await alice.sign_in(email)
    await alice.page.get_by_role("heading", name="Leaderboard").wait_for()
    assert alice.page.url.endswith("/app/board")
    keys = await alice.page.evaluate("Object.keys({...sessionStorage, ...localStorage}).sort()")
    assert keys == ["vouch.refresh", "vouch.theme"]
    await alice.page.reload()
    await alice.page.get_by_role("heading", name="Leaderboard").wait_for()
    await alice.page.get_by_role("button", name="Sign out").click()
    await alice.text("Welcome to Vouch")
    assert "vouch.refresh" not in str(await stored(alice.page))


async def test_a_code_that_the_page_did_not_ask_for_signs_no_one_in(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/signed-in?code=stolen&state=guessed")
    await alice.text("Welcome to Vouch")
    assert alice.page.url.endswith("/app/")


async def test_all_tabs_share_one_session_and_one_event_stream(arrive: Arrive, site: Stack) -> None:
    alice = await arrive()
    opened: list[str] = []
    alice.context.on("request", lambda each: opened.append(each.url))
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await live(alice, alice.page)
    others = [await alice.context.new_page() for _ in range(3)]
    for page in others:
        await alice.open("/app/", page)
        await live(alice, page)
    assert len([url for url in opened if "/v1/me/events" in url]) == 1

    await alice.page.close()  # the tab with the stream: another one takes over
    async with aiohttp.ClientSession() as session:
        position = await issue_code(session, site, await access_token(others[0]))
    for page in others:  # the new stream has brought it
        await alice.shows("position", page).get_by_text(position).wait_for()
    assert len([url for url in opened if "/v1/me/events" in url]) == 2

    await others[0].get_by_role("button", name="Sign out").click()
    for page in others[1:]:
        await page.get_by_role("heading", name="Welcome to Vouch").wait_for()


HOLD_ANSWERS = """
const post = BroadcastChannel.prototype.postMessage;
window.held = [];
BroadcastChannel.prototype.postMessage = function (message) {
  if (message.refresh) window.held.push(() => post.call(this, message));
  else post.call(this, message);
};"""
"""Lets a tab keep its answers about the session to itself, as a busy one does for a while."""


async def test_a_tab_that_is_answered_late_is_signed_in_all_the_same(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.context.add_init_script(HOLD_ANSWERS)
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await alice.shows("code").wait_for()
    other = await alice.context.new_page()
    await alice.open("/app/", other)
    await other.get_by_role("heading", name="Welcome to Vouch").wait_for()
    await alice.page.evaluate("held.forEach((answer) => answer())")
    await alice.shows("code", other).wait_for()


async def live(visitor: Visitor, page: Any) -> None:
    await visitor.shows("position", page).get_by_text("updates by itself").wait_for()


async def access_token(page: Any) -> str:
    """Return the token of the next request of a page."""
    async with page.expect_request("**/v1/referral/stats**") as sent:
        await page.get_by_role("button", name="30 days").click()
    request = await sent.value
    return str((await request.all_headers())["authorization"])


async def issue_code(session: aiohttp.ClientSession, site: Stack, authorization: str) -> str:
    """Issue a code; return the position of the account at which it is there."""
    url = f"{site.settings.gateway_url}/v1/referral/codes"
    headers = {"Authorization": authorization}
    async with session.post(url, headers=headers, json={"kind": "random"}) as response:
        assert response.status == 201
        return response.headers["X-Position"]


@pytest.mark.parametrize(("locale", "greeting"), [("de-CH", "Willkommen"), ("fr-FR", "Bienvenue")])
async def test_pages_speak_the_language_of_the_browser_or_the_chosen_one(
    locale: str, greeting: str, arrive: Arrive
) -> None:
    visitor = await arrive(locale=locale)
    await visitor.open("/app/")
    await visitor.text(greeting)
    assert await visitor.page.evaluate("document.documentElement.lang") == locale[:2]
    await visitor.page.locator("select").first.select_option("en")
    await visitor.text("Welcome to Vouch")
    await visitor.page.reload()
    await visitor.text("Welcome to Vouch")


async def test_words_that_arrive_late_do_not_replace_those_of_a_later_choice(
    arrive: Arrive,
) -> None:
    visitor, allowed, late = await arrive(), asyncio.Event(), list[str]()

    async def hold(route: Any) -> None:
        late.append(route.request.url)
        await allowed.wait()
        await route.continue_()

    await visitor.context.route("**/assets/de-*.js", hold)
    await visitor.open("/app/")
    await visitor.text("Welcome to Vouch")
    await visitor.page.locator("select").first.select_option("de")
    await visitor.choose_language("fr")
    await visitor.text("Bienvenue")
    allowed.set()
    for url in late:
        await visitor.page.evaluate("(url) => import(url).then(() => undefined)", url)
    heading = visitor.page.get_by_role("heading", level=1)
    assert "Bienvenue" in await heading.inner_text()


async def test_a_page_survives_the_loss_of_the_gateway_of_redis_and_of_its_network(
    arrive: Arrive, site: Stack
) -> None:
    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await live(alice, alice.page)
    gateway = site.service("gateway")
    assert gateway.process is not None
    gateway.process.kill()
    await gateway.died()
    await alice.shows("position").get_by_text("connecting").wait_for()
    await gateway.start(**links_to(site)).ready()
    await live(alice, alice.page)

    async with Redis.from_url(site.settings.redis_url) as redis:
        await redis.client_pause(3000)  # it answers no request
    await alice.page.get_by_role("button", name="30 days").click()
    await alice.text("0 in 30 days")  # the response, which needs Redis: there were 7 days before
    await alice.page.get_by_role("alert").first.wait_for(state="detached", timeout=60_000)
    await live(alice, alice.page)

    await alice.context.set_offline(True)
    await alice.text("You are offline.")
    assert await alice.shows("points").text_content() == "0"
    await alice.context.set_offline(False)
    await alice.page.get_by_text("You are offline.").wait_for(state="detached")
    await alice.shows("code").wait_for()


async def test_a_limit_is_shown_as_a_countdown_and_the_request_repeated(
    arrive: Arrive, site: Stack
) -> None:
    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await live(alice, alice.page)
    spans = itertools.cycle(("24 h", "7 days", "30 days"))
    async with Redis.from_url(site.settings.redis_url) as redis:
        await redis.hset("gateway:limits", "reads", "1/2")
        await eventually(lambda: refused(alice, next(spans)), seconds=40)
        await redis.hdel("gateway:limits", "reads")
    await alice.page.get_by_role("alert").first.wait_for(state="detached", timeout=60_000)
    # the gateway learns within seconds that the limit is lifted: the next test's pages rely on it
    await eventually(lambda: is_lifted(alice, next(spans)), seconds=40)


async def refused(visitor: Visitor, span: str) -> bool:
    """Ask for another span; return whether the page shows a countdown, for this or an earlier one.

    The response is waited for: the page ignores it once it has asked for a further span.
    """
    await response_about(visitor, span)
    return bool(await visitor.page.get_by_text("Please wait").count())


async def is_lifted(visitor: Visitor, span: str) -> bool:
    """Ask for another span; return whether the response shows the limit without an override."""
    limit = default_limits().limits["reads"]
    shown = (await response_about(visitor, span)).headers.get("ratelimit-policy", "")
    return limit.policy_header in shown


async def response_about(visitor: Visitor, span: str) -> Any:
    """Ask for the statistics of another span; return the response."""
    async with visitor.page.expect_response("**/v1/referral/stats**") as received:
        await visitor.page.get_by_role("button", name=span).click()
    return await received.value
