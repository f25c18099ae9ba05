"""Both pages say what is wrong when a request is refused, and go on by themselves."""

import asyncio
import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local.chain import TOKEN
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.web.browser import Visitor
from tests.web.chains import Place
from tests.web.conftest import Arrive
from tests.web.test_story import an_address

DETAIL = "Not now, thank you."
SECONDS = 2


@pytest.fixture(scope="module")
async def site(place: Place) -> Stack:
    return place.stack


@dataclass(frozen=True)
class Page:
    """Describe one of the two pages: where it is, and how its data is asked for."""

    path: str
    request: str | re.Pattern[str]
    """Pattern of the addresses of the requests that are refused."""
    loaded: str
    """Selector of what the response shows."""
    signed_out: str
    """What the page says once the session has ended."""


MEMBER = Page(
    "/app/",
    re.compile(r"/v1/(me/overview|referral/stats\?)"),
    "[data-test=points]",
    "Welcome to Vouch",
)
TOKENS = Page(
    f"/app/token/pictured/{TOKEN}",
    "**/map?*",
    "[data-test=map][data-drawn]",
    "Sign in to see the maps of tokens.",
)
both_pages = pytest.mark.parametrize("page", [MEMBER, TOKENS], ids=["member", "token"])


async def loaded(visitor: Visitor, page: Page) -> None:
    await visitor.page.locator(page.loaded).wait_for(timeout=150_000)


async def ask_again(visitor: Visitor, page: Page, *, choice: int = 0) -> None:
    """Use a control whose effect needs a request: one of two choices, neither the default.

    Making the same choice twice in a row sends one request.
    """
    if page is MEMBER:
        await visitor.page.get_by_role("button", name=("30 days", "24 h")[choice]).click()
    else:
        await visitor.page.get_by_label("Largest holders").select_option(("500", "100")[choice])


@pytest.mark.parametrize("status", [429, 503])
@both_pages
async def test_a_refusal_is_counted_down_and_the_request_repeated(
    page: Page, status: int, arrive: Arrive
) -> None:
    alice, allowed = await arrive(), asyncio.Event()

    async def refuse(route: Any) -> None:
        body = {"status": status, "code": "not_now", "detail": DETAIL}
        headers = {"Content-Type": "application/problem+json", "Retry-After": str(SECONDS)}
        if allowed.is_set():
            await route.continue_()
        else:
            await route.fulfill(status=status, headers=headers, body=json.dumps(body))

    await alice.context.route(page.request, refuse)
    await alice.open_signed_in(page.path, an_address("alice"))
    notice = alice.page.get_by_role("alert").filter(has_text=DETAIL)
    await notice.get_by_text("Please wait").wait_for()
    await notice.get_by_role("button", name="Try again", disabled=True).wait_for()
    allowed.set()
    await loaded(alice, page)
    await notice.wait_for(state="detached")


@both_pages
async def test_a_page_without_network_says_so_and_goes_on_when_it_is_back(
    page: Page, arrive: Arrive
) -> None:
    alice = await arrive()
    await alice.open_signed_in(page.path, an_address("alice"))
    await loaded(alice, page)
    banner = alice.page.get_by_role("status").filter(has_text="You are offline.")
    await alice.context.set_offline(True)
    await banner.wait_for()
    assert await alice.page.locator(page.loaded).is_visible()  # what was loaded stays
    await ask_again(alice, page)
    notice = alice.page.get_by_role("alert").filter(has_text="cannot be reached")
    await notice.first.wait_for()
    await alice.context.set_offline(False)
    await banner.wait_for(state="detached")
    await eventually(lambda: none_of(notice), seconds=60)
    await loaded(alice, page)


async def none_of(found: Any) -> bool:
    return bool(await found.count() == 0)


@both_pages
async def test_an_access_token_that_expires_is_renewed(page: Page, arrive: Arrive) -> None:
    alice, renewed = await arrive(), Counter[str]()

    async def expire_soon(route: Any) -> None:
        renewed["tokens"] += 1
        response = await route.fetch()
        body = await response.json() | {"expires_in": 2 * SECONDS}  # half of it is used
        await route.fulfill(response=response, body=json.dumps(body))

    await alice.context.route("**/oauth2/token", expire_soon)
    await alice.open_signed_in(page.path, an_address("alice"))
    await loaded(alice, page)
    before, choices = renewed["tokens"], itertools.cycle((0, 1))

    async def renewed_again() -> bool:
        await ask_again(alice, page, choice=next(choices))
        return renewed["tokens"] > before

    await eventually(renewed_again, seconds=60)
    await loaded(alice, page)


@both_pages
async def test_an_access_token_that_the_gateway_refuses_is_renewed(
    page: Page, arrive: Arrive
) -> None:
    alice, statuses = await arrive(), list[int]()
    alice.context.on("response", lambda each: statuses.append(each.status))
    await alice.context.route(page.request, spoiled_once())
    await alice.open_signed_in(page.path, an_address("alice"))
    await loaded(alice, page)
    assert 403 in statuses
    assert await alice.page.get_by_role("alert").count() == 0


def spoiled_once(*, always: bool = False) -> Any:
    """Return a handler that spoils the signature of the first access token, or of each."""
    spoiled = Counter[str]()

    async def spoil(route: Any) -> None:
        headers = await route.request.all_headers()
        if always or not spoiled["tokens"]:
            spoiled["tokens"] += 1
            head, claims, _ = headers["authorization"].split(".")
            headers["authorization"] = f"{head}.{claims}.{'A' * 342}"
        await route.continue_(headers=headers)

    return spoil


@both_pages
async def test_a_session_that_was_ended_elsewhere_ends_here(
    page: Page, arrive: Arrive, site: Stack
) -> None:
    """Another device signs out everywhere: no token is renewed, and no old one accepted."""
    alice, email = await arrive(), an_address("alice")
    await alice.open_signed_in(page.path, email)
    await loaded(alice, page)
    site.users.sign_out_everywhere(email)
    await alice.context.route(page.request, spoiled_once(always=True))
    await ask_again(alice, page)
    await alice.text(page.signed_out)
    assert not await alice.page.evaluate("'vouch.refresh' in sessionStorage")


async def test_signing_out_on_one_page_signs_out_on_the_other(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open(MEMBER.path)
    await alice.sign_in(an_address("alice"))
    await loaded(alice, MEMBER)
    map_page = await alice.context.new_page()
    await alice.open(TOKENS.path, map_page)
    await map_page.locator(TOKENS.loaded).wait_for(timeout=150_000)
    await alice.page.get_by_role("button", name="Sign out").click()
    await map_page.get_by_text(TOKENS.signed_out).wait_for()


@pytest.mark.parametrize(
    ("locale", "shown"),
    [("de-DE", "kein ERC-20-Token"), ("fr-FR", "pas un jeton ERC-20"), ("en-GB", DETAIL)],
)
async def test_a_refusal_is_explained_in_the_readers_language(
    locale: str, shown: str, arrive: Arrive
) -> None:
    alice = await arrive(locale=locale)
    problem = {"status": 422, "code": "not_erc20", "detail": DETAIL}
    await alice.context.route(
        TOKENS.request, lambda route: route.fulfill(status=422, body=json.dumps(problem))
    )
    await alice.open_signed_in(TOKENS.path, an_address("alice"))
    await alice.page.get_by_role("alert").get_by_text(shown).wait_for()


@pytest.mark.parametrize(
    ("locale", "shown"), [("de-DE", "ein Tippfehler"), ("fr-FR", "une faute de frappe")]
)
async def test_a_mistyped_code_is_explained_in_the_readers_language(
    locale: str, shown: str, arrive: Arrive
) -> None:
    carol = await arrive(locale=locale)
    await carol.open("/app/join?code=00000-00001")
    await carol.page.locator("#email").fill(an_address("carol"))
    await carol.page.locator("form button.primary").click()
    await carol.page.get_by_role("alert").get_by_text(shown).wait_for()
