"""The pages can be used by all people: in both themes, on every width, in every state."""

import pytest

from tests.support.stack import Stack
from tests.web.conftest import Arrive
from tests.web.mails import link_in_mail
from tests.web.test_story import an_address

WIDTHS = (390, 960, 1600)
MEMBER_PAGES = {"/app/": "ledger", "/app/invite": "invitations", "/app/board": "me"}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_and_nothing_is_cut_off(
    theme: str, arrive: Arrive, site: Stack
) -> None:
    alice, address = await arrive(color_scheme=theme), an_address("bob")
    await alice.open("/app/")
    await alice.text("Welcome to Vouch")
    found = {"signed out": await alice.violations()}
    await alice.sign_in(an_address("alice"))
    await alice.shows("code").wait_for()
    await alice.open("/app/invite")
    await alice.page.get_by_label("E-mail address").fill(address)
    await alice.page.get_by_role("button", name="Send the invitation").click()
    await alice.shows("invitations").get_by_text(address).wait_for()
    overflowing, cut_off = [], []
    for path, part in MEMBER_PAGES.items():
        for width in WIDTHS:
            await alice.page.set_viewport_size({"width": width, "height": 900})
            await alice.open(path)
            await alice.shows(part).first.wait_for(state="attached")
            if path == "/app/":
                await alice.page.get_by_role("button", name="QR code").click()
                await alice.page.get_by_role("img", name="QR code that").wait_for()
            found[f"{path} {width}"] = await alice.violations()
            for language in ("de", "fr", "en"):
                await alice.choose_language(language)
                overflowing += [(path, width, language)] * (await alice.overflow() > 0)
                cut_off += [(path, width, language, each) for each in await alice.cut_off()]
    bob = await arrive(color_scheme=theme, viewport={"width": 390, "height": 800})
    await bob.open("/app/join")
    await bob.text("Reserve my seat")
    found["join"] = await bob.violations()
    await bob.page.goto(await link_in_mail(site, address))
    await bob.shows("question").wait_for()
    found["invited"] = await bob.violations()
    overflowing += [("invited", 390, "en")] * (await bob.overflow() > 0)
    assert {page: rules for page, rules in found.items() if rules} == {}
    assert overflowing == []
    assert cut_off == []


async def test_the_chosen_theme_wins_over_the_systems(arrive: Arrive) -> None:
    visitor = await arrive(color_scheme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    await visitor.open("/app/")
    await visitor.text("Welcome to Vouch")
    light = await visitor.page.evaluate(ground)
    await visitor.page.get_by_label("Theme").select_option("dark")
    dark = await visitor.page.evaluate(ground)
    assert dark != light
    await visitor.page.reload()
    await visitor.text("Welcome to Vouch")
    assert await visitor.page.evaluate(ground) == dark
