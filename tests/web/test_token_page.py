"""A person explores a token: from the search to the transactions that connect its holders."""

import csv
import io
import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.chain import TOKEN
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.web.browser import Visitor
from tests.web.chains import HOSTILE_LABEL, HOSTILE_SYMBOL, Place
from tests.web.conftest import Arrive
from tests.web.keyboard import choose, tab_to
from tests.web.test_story import an_address

WIDTHS = (390, 960, 1600)
GROWING = f"/app/token/growing/{TOKEN}"
DRAWN = "document.querySelector('[data-test=map]').toDataURL()"
HOLD_FRAMES = "held = []; requestAnimationFrame = (frame) => held.push(frame); undefined"
ENDED = "!document.querySelector('[data-test=analyse-again]').disabled"
"""The analysis that was requested has ended, or was refused."""
MEASURED = (
    "performance.getEntriesByName('{}').map((each) => [each.duration, each.detail?.holders ?? 0])"
)


@pytest.fixture(scope="module")
async def site(place: Place) -> Stack:
    return place.stack


async def at_map(arrive: Arrive, path: str, **options: Any) -> Visitor:
    """Return a visitor who is signed in and sees a map."""
    alice = await arrive(**options)
    await alice.open_signed_in(path, an_address("alice"))
    await drawn(alice)
    return alice


async def drawn(visitor: Visitor) -> None:
    """Wait for the map, or fail with the notice that is shown instead of it."""
    canvas = visitor.page.locator("[data-test=map][data-drawn]")
    await canvas.or_(visitor.page.get_by_role("alert")).first.wait_for(timeout=150_000)
    assert await canvas.count() == 1, await visitor.page.locator("main").inner_text()


async def selected(visitor: Visitor) -> str:
    text: str = await visitor.shows("announcement").inner_text()
    return text


async def test_a_search_leads_to_the_analysis_and_its_map(arrive: Arrive) -> None:
    alice = await arrive()
    await alice.open("/app/token/")
    await alice.page.get_by_label("Token address").fill("0x12")
    await alice.page.get_by_role("button", name="Show the map").click()
    await alice.text("40 hexadecimal digits")
    await alice.page.get_by_label("Chain").select_option("searched")
    await alice.page.get_by_label("Token address").fill(TOKEN)
    await alice.page.get_by_role("button", name="Show the map").click()
    await alice.sign_in(an_address("alice"))
    await alice.text("This token is being analysed")
    await drawn(alice)
    assert await alice.page.title() == f"{HOSTILE_SYMBOL} · Vouch"
    name = await alice.shows("token-name").inner_text()
    assert name.startswith("<img src=x")
    assert "\u202e" not in name
    await alice.open("/app/token/")
    await alice.page.get_by_role("link", name=HOSTILE_SYMBOL).click()
    await drawn(alice)


async def test_hostile_labels_are_text_on_the_page_and_in_spreadsheets(arrive: Arrive) -> None:
    alice = await at_map(arrive, f"/app/token/hostile/{TOKEN}")
    await alice.page.get_by_role("treeitem", name="Contracts, exchanges").click()
    await alice.page.get_by_role("treeitem", name="HYPERLINK").click()
    await alice.page.locator(".detail").get_by_text("evil.example").first.wait_for()
    rows = list(csv.DictReader(io.StringIO(await saved(alice, "Save as CSV"))))
    assert len(rows) == len({row["address"] for row in rows}) > 500
    (label,) = {row["label"] for row in rows} - {""}
    assert label == f"'{HOSTILE_LABEL}"
    assert all(row["amount"].replace(".", "").isdigit() for row in rows)


async def saved(visitor: Visitor, button: str) -> str:
    async with visitor.page.expect_download() as download:
        await visitor.page.get_by_role("button", name=button).click()
    path = await (await download.value).path()
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")  # noqa: ASYNC240  a small file


async def test_the_tree_is_used_with_the_keyboard_alone(arrive: Arrive) -> None:
    alice = await at_map(arrive, GROWING)
    keyboard = alice.page.keyboard
    await keyboard.press("/")
    assert await alice.page.evaluate("document.activeElement.id") == "tree-search"
    await keyboard.press("Tab")
    assert await alice.page.evaluate("document.activeElement.getAttribute('role')") == "treeitem"
    await keyboard.press("Enter")
    await alice.page.get_by_role("heading", name="Cluster 1").wait_for()
    assert (await selected(alice)).startswith("Cluster 1,")
    before = await alice.page.get_by_role("treeitem").count()
    await keyboard.press("ArrowRight")
    await alice.page.locator("[aria-level='2']").first.wait_for()
    assert await alice.page.get_by_role("treeitem").count() > before
    await focus_is(alice, "1")
    await keyboard.press("ArrowDown")
    await focus_is(alice, "2")
    await keyboard.press("Enter")
    await alice.page.get_by_role("heading", name="Holder", exact=True).wait_for()
    assert (await selected(alice)).startswith("0x")
    picture = await alice.page.evaluate(DRAWN)
    await keyboard.press("+")
    await until(alice, f"{DRAWN} !== {json.dumps(picture)}")
    await keyboard.press("ArrowLeft")
    await focus_is(alice, "1")
    await keyboard.press("Escape")
    await alice.text("Select a holder or a cluster")
    await keyboard.press("Tab")
    await until(alice, "document.activeElement.closest('[role=tree]') === null")


async def test_focus_that_has_left_the_tree_is_not_taken_back(arrive: Arrive) -> None:
    alice = await at_map(arrive, GROWING)
    keyboard = alice.page.keyboard
    await keyboard.press("/")
    await keyboard.press("Tab")
    await alice.page.evaluate(HOLD_FRAMES)
    await keyboard.press("Escape")
    await keyboard.press("Tab")
    await alice.page.evaluate("held.forEach((frame) => frame(0))")
    assert await alice.page.evaluate("document.activeElement.closest('[role=tree]')") is None


async def test_a_token_is_found_and_its_holders_are_sorted_with_the_keyboard_alone(
    arrive: Arrive,
) -> None:
    alice = await arrive()
    await alice.open_signed_in("/app/token/", an_address("alice"))
    await alice.page.get_by_role("option", name="growing").wait_for(state="attached")
    page, keys = alice.page, alice.page.keyboard
    await tab_to(page, "Chain")
    await keys.type("growing")
    await tab_to(page, "Token address")
    await keys.type(TOKEN)
    await choose(page, "Show the map")
    await drawn(alice)
    await choose(page, "True areas", "Space")
    await page.wait_for_url("**areas=1**")
    picture = await page.evaluate(DRAWN)
    await choose(page, "Zoom in")
    await until(alice, f"{DRAWN} !== {json.dumps(picture)}")
    async with page.expect_download() as download:
        await choose(page, "Save picture")
    assert (await download.value).suggested_filename.endswith(".png")
    await tab_to(page, "Kind")
    for order in ("ascending", "descending"):
        await keys.press("Enter")
        await page.locator(f"th[aria-sort={order}]").get_by_text("Kind").wait_for()


async def focus_is(visitor: Visitor, level: str) -> None:
    await until(visitor, f"document.activeElement.getAttribute('aria-level') === '{level}'")


async def until(visitor: Visitor, expression: str, seconds: float = 60) -> None:
    """Wait until an expression is true; the page's policy does not let it wait by itself."""
    await eventually(partial(visitor.page.evaluate, expression), seconds=seconds)


async def test_the_pointer_selects_and_the_evidence_says_why(arrive: Arrive) -> None:
    alice = await at_map(arrive, GROWING, viewport={"width": 1400, "height": 1000})
    assert await alice.page.evaluate("scrollY") == 0
    await alice.page.get_by_role("button", name="Zoom in").click()
    await alice.page.get_by_role("button", name="Show everything").click()
    box = await alice.page.locator("[data-test=map]").bounding_box()
    x, y = box["x"] + box["width"] * 0.65, box["y"] + box["height"] / 2
    await alice.page.mouse.click(x, y)
    await alice.page.get_by_role("heading", name="Why they belong together").wait_for()
    detail = alice.page.locator(".detail")
    await detail.get_by_text("Sent its first tokens").first.wait_for()
    await detail.get_by_text("of what circulates").first.wait_for()
    assert "select=0x" in alice.page.url or await alice.page.wait_for_url("**select=0x**") is None


async def test_two_readers_see_the_same_picture(arrive: Arrive) -> None:
    pictures = []
    for _ in range(2):
        reader = await at_map(arrive, f"{GROWING}?transfers=1", color_scheme="light")
        await until(reader, f"{DRAWN}.length > 50_000")
        pictures.append(await reader.page.evaluate(DRAWN))
    assert pictures[0] == pictures[1]


async def test_the_picture_is_saved_with_its_legend(arrive: Arrive) -> None:
    alice = await at_map(arrive, GROWING)
    png = (await saved(alice, "Save picture")).encode("utf-8", "surrogateescape")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1600, 1200)


async def test_an_address_with_a_typing_error_is_corrected(arrive: Arrive) -> None:
    wrong = "0xABABaBaBABabABabAbAbABAbABabababaBaBABaB"
    alice = await arrive()
    await alice.open(f"/app/token/growing/{wrong}")
    await alice.sign_in(an_address("alice"))
    link = alice.page.get_by_role("link", name="0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB")
    assert await link.get_attribute("href") == (
        "/app/token/growing/0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"
    )


async def test_a_report_that_is_not_verified_says_so_first(arrive: Arrive) -> None:
    alice = await at_map(arrive, f"/app/token/inflated/{TOKEN}")
    notice = alice.page.locator("[data-verified=false]")
    assert "Read this report with care" in await notice.inner_text()
    order = await notice.evaluate(
        "(notice) => notice.compareDocumentPosition(document.querySelector('[data-test=map]'))"
    )
    assert order & 4, "the map precedes the notice"


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_cut_off(theme: str, arrive: Arrive) -> None:
    alice = await at_map(arrive, GROWING, color_scheme=theme)
    found, overflowing, cut_off = {}, [], []
    for path in ("/app/token/", GROWING, f"/app/token/inflated/{TOKEN}"):
        await alice.open(path)
        await (alice.text("Recently viewed") if path == "/app/token/" else drawn(alice))
        if path != "/app/token/":
            await alice.page.get_by_role("treeitem", name="Cluster 1").first.click()
            await alice.page.get_by_role("heading", name="Why they belong together").wait_for()
        for width in WIDTHS:
            await alice.page.set_viewport_size({"width": width, "height": 900})
            found[f"{path} {width}"] = await alice.violations()
            for language in ("de", "fr", "en"):
                await alice.choose_language(language)
                overflowing += [(path, width, language)] * (await alice.overflow() > 0)
                cut_off += [(path, width, language, each) for each in await alice.cut_off()]
    assert {page: rules for page, rules in found.items() if rules} == {}
    assert overflowing == []
    assert cut_off == []


async def test_the_past_is_compared_with_the_present(arrive: Arrive, place: Place) -> None:
    chain = place.chains["growing"]
    alice = await at_map(arrive, GROWING, viewport={"width": 1400, "height": 1000})
    for step in ("launch", "sell-off", "merge"):
        assert chain.grow() == step
        await analysed_again(alice)
    await alice.page.get_by_label("Compare with an earlier report").check()
    difference = alice.shows("difference")
    await difference.get_by_text("moved between clusters").wait_for()
    await difference.get_by_text("merged").wait_for()
    await alice.page.wait_for_url("**from=**")
    await alice.page.reload()
    await difference.get_by_text("merged").wait_for()
    await alice.page.get_by_label("Shown report").focus()
    await alice.page.keyboard.press("ArrowLeft")
    await alice.page.keyboard.press("ArrowLeft")
    await alice.page.locator(f"[data-test=as-of]:has-text('Block {726:,}')").wait_for()
    await alice.page.wait_for_url("**at=**")
    await alice.page.get_by_label("Compare with an earlier report").check()
    await difference.get_by_text("new:").first.wait_for()


async def analysed_again(visitor: Visitor) -> None:
    """Click until the report is old enough to be renewed, then show the newer one."""
    again = visitor.page.get_by_role("button", name="Analyse again")
    newer = visitor.page.get_by_role("button", name="Show it")
    too_fresh = visitor.page.get_by_role("alert").filter(has_text="You can request a new one")
    while not await newer.is_visible():
        await again.click()  # the notice of the last click is gone, and the button is disabled
        await until(visitor, ENDED, seconds=150)
        assert await newer.or_(too_fresh).count(), await visitor.page.locator("main").inner_text()
    await newer.click()
    await newer.wait_for(state="detached")
    await drawn(visitor)


async def test_five_thousand_holders_are_laid_out_in_a_worker(arrive: Arrive) -> None:
    """How long it takes is printed (`-s`): it depends on the machine."""
    alice = await at_map(arrive, GROWING)
    small = (await measured(alice, "vouch-layout"))[-1][0]
    frames = [each for each, _ in await measured(alice, "vouch-frame")]
    assert alice.page.workers == []
    holders = 5_000
    await alice.context.route("**/map?top=5000", lambda route: enlarged(route, holders))
    await alice.page.get_by_label("Largest holders").select_option("5000")
    await until(alice, f"{MEASURED.format('vouch-layout')}.at(-1)[1] >= {holders}")
    await drawn(alice)
    large, laid_out = (await measured(alice, "vouch-layout"))[-1]
    assert laid_out >= holders
    (worker,) = alice.page.workers
    assert "/layout.worker-" in worker.url
    print(f"\n5,000 holders: {large:.0f} ms, {large / small:.1f} times the layout of 515")  # noqa: T201  figures
    print(f"515 holders: {min(frames):.1f} to {max(frames):.1f} ms a frame")  # noqa: T201  figures


async def measured(visitor: Visitor, name: str) -> list[tuple[float, int]]:
    found: list[tuple[float, int]] = await visitor.page.evaluate(MEASURED.format(name))
    return found


async def enlarged(route: Any, holders: int) -> None:
    """Answer with the map of the gateway and as many more holders."""
    response = await route.fetch()
    body, numbers = await response.json(), random.Random(1)
    ranks = range(len(body["nodes"]), holders + 1)
    body["nodes"] += [
        {
            "address": f"0x{numbers.getrandbits(160):040x}",
            "amount": str(10**24 // rank),
            "kind": "eoa",
            "rank": rank,
        }
        for rank in ranks
    ]
    await route.fulfill(response=response, body=json.dumps(body))
