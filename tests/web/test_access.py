"""The pages can be used by all people: with a keyboard, in both themes, on every width."""

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
    overflowing = []
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
                await alice.page.locator("select").first.select_option(language)
                overflowing += [(path, width, language)] * (await alice.overflow() > 0)
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


async def test_a_person_is_invited_with_the_keyboard_alone(arrive: Arrive) -> None:
    alice, address = await arrive(), an_address("bob")
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await alice.shows("code").wait_for()
    keyboard = alice.page.keyboard
    await keyboard.press("Tab")
    assert await focused(alice.page) == "Skip to the content"
    await tab_to(alice.page, "Invite")
    await keyboard.press("Enter")
    await alice.page.get_by_role("heading", name="Invite a person").wait_for()
    assert await alice.page.evaluate("document.activeElement.id") == "main"
    await tab_to(alice.page, "E-mail address")
    await keyboard.type(address)
    await tab_to(alice.page, "Send the invitation")
    await keyboard.press("Enter")
    await alice.text(f"Your invitation to {address} is on its way.")
    await alice.shows("invitations").get_by_text(address).wait_for()
    await tab_to(alice.page, "Revoke")
    await keyboard.press("Enter")
    await tab_to(alice.page, "Revoke it")
    await keyboard.press("Enter")
    await alice.shows("invitations").get_by_text("revoked", exact=True).wait_for()


FOCUSED = """() => {
  const element = document.activeElement;
  return element.labels?.[0]?.textContent ?? element.textContent ?? "";
}"""


async def focused(page: object) -> str:
    text: str = await page.evaluate(FOCUSED)  # type: ignore[attr-defined]
    return text.strip()


async def tab_to(page: object, name: str) -> None:
    """Press Tab until the element with this name has the focus."""
    for _ in range(60):
        await page.keyboard.press("Tab")  # type: ignore[attr-defined]
        if await focused(page) == name:
            return
    raise AssertionError(f"{name} cannot be reached with Tab")
