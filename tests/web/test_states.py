"""States of the pages that people seldom see are as accessible as the others."""

from collections.abc import Sequence

import pytest

from tests.support.stack import Stack
from tests.web.browser import Visitor
from tests.web.chains import Place
from tests.web.conftest import Arrive
from tests.web.states import MEMBERS, SIGNED_OUT, TOKEN_PAGES, State
from tests.web.test_story import an_address

WIDTHS = (390, 960, 1600)


@pytest.fixture(scope="module")
async def site(place: Place) -> Stack:
    return place.stack


async def test_before_signing_in(arrive: Arrive) -> None:
    visitor = await arrive()
    await visitor.open("/app/")
    await check(visitor, SIGNED_OUT)


async def test_as_a_member(arrive: Arrive) -> None:
    await check(await signed_in(arrive), MEMBERS)


async def test_on_the_page_of_a_token(arrive: Arrive) -> None:
    await check(await signed_in(arrive), TOKEN_PAGES)


async def signed_in(arrive: Arrive) -> Visitor:
    visitor = await arrive()
    await visitor.open_signed_in("/app/", an_address("alice"))
    await visitor.shows("code").wait_for()
    return visitor


async def check(visitor: Visitor, states: Sequence[State]) -> None:
    """Check that axe finds nothing in each state, and that nothing is cut off."""
    found, overflowing, cut_off = {}, [], []
    for state in states:
        await state.reach(visitor)
        await visitor.page.emulate_media(color_scheme="dark")
        found[f"{state.name} dark"] = await visitor.violations("color-contrast")
        await visitor.page.emulate_media(color_scheme="light")
        for width in WIDTHS:
            await visitor.page.set_viewport_size({"width": width, "height": 900})
            found[f"{state.name} {width}"] = await visitor.violations()
            overflowing += [(state.name, width)] * (await visitor.overflow() > 0)
            cut_off += [(state.name, width, each) for each in await visitor.cut_off()]
        await state.leave(visitor)
    assert {name: rules for name, rules in found.items() if rules} == {}
    assert overflowing == []
    assert cut_off == []
