"""Each member page is used from its first to its last control with the keyboard alone."""

from tests.support.stack import Stack
from tests.web import keyboard
from tests.web.browser import Visitor
from tests.web.conftest import Arrive
from tests.web.keyboard import choose, tab_to
from tests.web.mails import link_in_mail, unsubscribe_link_in_mail
from tests.web.test_story import an_address


async def a_member(arrive: Arrive) -> Visitor:
    alice = await arrive()
    await alice.open_signed_in("/app/", an_address("alice"))
    await alice.shows("code").wait_for()
    return alice


async def test_a_person_joins_with_a_code_and_looks_around_at_home(arrive: Arrive) -> None:
    alice, carol, address = await a_member(arrive), await arrive(), an_address("carol")
    code = (await alice.shows("code").text_content() or "").strip()
    page, keys = carol.page, carol.page.keyboard
    await carol.open("/app/join")
    await carol.text("Reserve my seat")
    await tab_to(page, "Referral code")
    await keys.type(code)
    await tab_to(page, "Your e-mail address")
    await keys.type(address)
    await keys.press("Enter")
    await carol.text("Your seat is reserved")
    carol.users.sign_up(address)
    await choose(page, "Sign in")
    await carol.signs_in_with(keyboard.sign_in, address)
    await carol.text("You are in: 10 points for you")
    await choose(page, "Go to your page")
    await carol.shows("code").wait_for()

    await choose(page, "QR code")
    await page.get_by_role("img", name="QR code that").wait_for()
    await choose(page, "30 days")
    assert await page.get_by_role("button", name="30 days").get_attribute("aria-pressed") == "true"
    ledger = carol.shows("ledger")
    await ledger.get_by_role("listitem").first.wait_for()
    row = (await ledger.locator("summary").first.inner_text()).splitlines()[0]
    await page.get_by_role("button", name="30 days").focus()
    for _ in range(keyboard.MOST_STOPS):
        await keys.press("Tab")
        if (await keyboard.focused(page)).startswith(row[:20]):
            break
    else:
        raise AssertionError(f"{row} cannot be reached with Tab")
    await keys.press("Enter")
    await ledger.get_by_text("member-").wait_for()


async def test_a_person_is_invited_and_the_invitation_revoked(arrive: Arrive) -> None:
    alice, address = await a_member(arrive), an_address("bob")
    page, keys = alice.page, alice.page.keyboard
    await keys.press("Tab")
    assert await keyboard.focused(page) == "Skip to the content"
    await choose(page, "Invite")
    await page.get_by_role("heading", name="Invite a person").wait_for()
    assert await page.evaluate("document.activeElement.id") == "main"
    await tab_to(page, "E-mail address")
    await keys.type(address)
    await choose(page, "Send the invitation")
    await alice.text(f"Your invitation to {address} is on its way.")
    await alice.shows("invitations").get_by_text(address).wait_for()
    await choose(page, "Revoke")
    await choose(page, "Revoke it")
    await alice.shows("invitations").get_by_text("revoked", exact=True).wait_for()
    await page.evaluate("document.activeElement.blur()")
    await choose(page, "Many")
    await tab_to(page, "Addresses, one per line")
    erin = an_address("erin")
    await keys.type(f"{erin}\n{erin}")
    await alice.text("named above")
    await choose(page, "Send 1 invitation")
    await alice.text("1 invitation is on its way.")
    await choose(page, "Ended")
    await alice.shows("invitations").get_by_text(address).wait_for()


async def test_the_leaderboard_is_browsed(arrive: Arrive) -> None:
    alice = await a_member(arrive)
    await choose(alice.page, "Leaderboard")
    await alice.page.get_by_role("heading", name="Leaderboard").wait_for()
    for name in ("This month", "From the top", "All time"):
        await alice.page.evaluate("document.activeElement.blur()")
        await choose(alice.page, name, "Space")
        pressed = alice.page.get_by_role("button", name=name)
        assert await pressed.get_attribute("aria-pressed") == "true"


async def test_an_invitation_is_accepted_and_another_declined_and_unsubscribed(
    arrive: Arrive, site: Stack
) -> None:
    alice, bob = await a_member(arrive), await arrive()
    await alice.open("/app/invite")
    links = {}
    for answer in ("Yes, I accept", "No, thank you"):
        address = an_address("bob")
        await alice.page.get_by_label("E-mail address").fill(address)
        await alice.page.get_by_role("button", name="Send the invitation").click()
        await alice.text(f"Your invitation to {address} is on its way.")
        links[answer] = await link_in_mail(site, address), address
    for answer, result in {
        "Yes, I accept": "A seat is reserved for you",
        "No, thank you": "You have declined the invitation.",
    }.items():
        link, address = links[answer]
        bob.secrets.append(link.partition("#")[2])
        await bob.page.goto(link)
        await bob.shows("question").wait_for()
        await choose(bob.page, answer)
        await bob.text(result)
        await bob.page.evaluate("sessionStorage.clear()")
    await bob.page.goto(await unsubscribe_link_in_mail(site, address))
    await bob.text("Do you want to stop all invitations")
    await choose(bob.page, "Unsubscribe")
    await bob.text("Invitations from members will no longer be mailed to this address.")
    await choose(bob.page, "Go to Vouch")
    await bob.page.wait_for_url("**/app/")
