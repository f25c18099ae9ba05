"""The map of a known token looks like its stored picture.

`make map-reference` replaces the picture, after a change that is meant to be seen.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import pytest

from deploy.folders import ROOT
from deploy.local.chain import TOKEN
from tests.support.stack import Stack
from tests.web.browser import Visitor
from tests.web.chains import Place
from tests.web.conftest import Arrive
from tests.web.pictures import WITHOUT_TEXTS, Decoder, Pixels, different, stored
from tests.web.test_story import an_address

REFERENCE = ROOT / "tests" / "web" / "reference" / "map.png"
RENEW = bool(os.environ.get("RENEW_REFERENCE"))
PICTURED = f"/app/token/pictured/{TOKEN}"
MOST = 200
"""Pixels that may differ, of 480,000: edges are smoothed a little differently by each version."""
LEAST = 2_000
"""Pixels that differ at least when one of the largest clusters moves or changes its colour."""

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
async def site(place: Place) -> Stack:
    return place.stack


@pytest.fixture
async def decoder(browser: Any) -> AsyncIterator[Decoder]:
    page = await browser.new_page()
    yield Decoder(page)
    await page.close()


async def saved_picture(arrive: Arrive, decoder: Decoder, change: Change | None = None) -> bytes:
    """Return the picture that the page saves of the map, after a change of what it received."""
    alice = await arrive(color_scheme="light")
    await alice.context.add_init_script(WITHOUT_TEXTS)
    if change is not None:
        await alice.context.route("**/map?*", changing(change))
    await alice.open_signed_in(PICTURED, an_address("alice"))
    await alice.page.locator("[data-test=map][data-drawn]").wait_for(timeout=150_000)
    return await decoder.half(await picture_of(alice))


async def picture_of(visitor: Visitor) -> bytes:
    async with visitor.page.expect_download() as download:
        await visitor.page.get_by_role("button", name="Save picture").click()
    path = await (await download.value).path()
    content: bytes = path.read_bytes()
    return content


def changing(change: Change) -> Any:
    async def answer(route: Any) -> None:
        response = await route.fetch()
        body = await response.json()
        if response.status == HTTPStatus.OK:
            change(body)
        await route.fulfill(response=response, body=json.dumps(body))

    return answer


async def test_the_map_looks_like_its_stored_picture(arrive: Arrive, decoder: Decoder) -> None:
    png = await saved_picture(arrive, decoder)
    reference = await decoder.pixels(stored(REFERENCE, png, renew=RENEW))
    found = different(await decoder.pixels(png), reference)
    assert found <= MOST, shown(png, found)


def shown(png: bytes, found: int) -> str:
    """Store the picture next to the reference's for a look at both; return what to do."""
    path = ROOT / ".local" / "map.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png)
    return f"{found} pixels differ: compare {path} with {REFERENCE}, or `make map-reference`"


def recoloured(body: dict[str, Any]) -> None:
    """Let the two largest clusters exchange their colours: these follow from the order."""
    body["clusters"][:2] = reversed(body["clusters"][:2])


def moved(body: dict[str, Any]) -> None:
    """Let the second cluster's members hold half, so that its disc shrinks and others move up."""
    cluster = body["clusters"][1]["id"]
    for node in body["nodes"]:
        if node.get("clusterId") == cluster:
            node["amount"] = str(int(node["amount"]) // 2)


def dissolved(body: dict[str, Any]) -> None:
    """Let the second cluster's members be holders like others."""
    cluster = body["clusters"].pop(1)["id"]
    for node in body["nodes"]:
        if node.get("clusterId") == cluster:
            node["clusterId"] = None


@pytest.mark.parametrize("change", [recoloured, moved, dissolved])
async def test_the_comparison_notices_clusters_that_change(
    change: Change, arrive: Arrive, decoder: Decoder
) -> None:
    png = await saved_picture(arrive, decoder, change)
    reference = await decoder.pixels(REFERENCE.read_bytes())
    assert different(await decoder.pixels(png), reference) >= LEAST


async def test_the_comparison_tolerates_smoothed_edges_only(decoder: Decoder) -> None:
    reference = await decoder.pixels(REFERENCE.read_bytes())
    assert different(reference, reference) == 0
    assert different(reference, shifted(reference)) > LEAST
    assert different(reference, (reference.astype(int) * 0.9 + 20).astype(reference.dtype)) == 0


def shifted(pixels: Pixels) -> Pixels:
    """Return a picture whose content is two pixels further to the right."""
    moved_right = pixels.copy()
    moved_right[:, 2:] = pixels[:, :-2]
    return moved_right
