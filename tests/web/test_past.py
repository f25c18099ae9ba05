"""The demo has a past, which the member's page shows as it was on any day."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from redis.asyncio import Redis

from contracts.invites import InviteState
from deploy.local.demo_users import subject_of
from deploy.local.provision import write_environment
from deploy.local.seed import INVITED, MEMBER, MEMBERS, seed, start_history
from deploy.local.seed_expired import ADDRESS as EXPIRED
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.web.conftest import Arrive, links_to

STATES = {
    "sent": "sent", "delivered": "delivered", "accepted": "accepted", "declined": "declined",
    "revoked": "revoked", "bounced": "address does not exist", "failed": "could not be sent",
    "expired": "expired",
}  # fmt: skip
"""State of an invitation -> how the page calls it."""


def test_the_demo_has_an_invitation_in_every_lasting_state() -> None:
    # a mail that was requested is sent within a second: no invitation stays so
    assert (
        set(STATES) == {*INVITED.values(), "expired"} == set(get_args(InviteState)) - {"requested"}
    )


async def seed_in_part(site: Stack) -> None:
    """Seed accounts and kill the seed; it goes on from there."""
    subjects = {email: subject_of(site.users.token(email)) for email in MEMBERS}
    process = start_history(site.settings, site.environment, subjects)
    redis = Redis.from_url(site.settings.redis_url)
    account = f"*:member-{subjects[MEMBER]}*"

    async def has_begun() -> bool:
        assert process.poll() is None, process.communicate()
        return bool([key async for key in redis.scan_iter(match=account)])

    await eventually(has_begun, seconds=120)  # a process starts, while others do as well
    process.kill()
    assert await asyncio.to_thread(process.wait) != 0
    process.communicate()
    await redis.aclose()


async def ends_of_lines(page: Any) -> list[str]:
    """Return the places, from the left, where the lines of points and rank end."""
    lines = [await line.get_attribute("d") for line in await page.locator("path.line").all()]
    return [re.findall(r"[HM]([\d.]+)", line)[-1] for line in lines]


async def test_the_page_shows_how_points_and_rank_were(arrive: Arrive, site: Stack) -> None:
    write_environment(site.settings.service_env, {**site.environment, **links_to(site)})
    await seed_in_part(site)
    assert await asyncio.to_thread(seed, site.settings)
    assert not await asyncio.to_thread(seed, site.settings)  # what is there stays

    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(MEMBER)
    await alice.shows("points").get_by_text("600", exact=True).wait_for()
    await alice.text("100 more points are pending")
    await alice.shows("ledger").get_by_text("pending").wait_for()

    day = datetime.now(UTC).date() - timedelta(days=10)
    await alice.page.get_by_label("As it was on").fill(day.isoformat())
    await alice.page.get_by_role("heading", name="As it was on").wait_for()
    await alice.shows("points").get_by_text("400", exact=True).wait_for()
    await alice.page.get_by_role("button", name="30 days").click()
    ranks = alice.page.get_by_role("img", name="Rank:")
    await ranks.locator("circle").nth(11).wait_for(state="attached")  # closed days
    assert await ends_of_lines(alice.page) == ["632.0", "632.0"]  # the right edge
    for table in await alice.page.locator("figure tbody").all():
        days = await table.locator("td:first-child").all_text_contents()
        assert len(days) == len(set(days))
    assert await alice.shows("ledger").locator("summary").count() == 4
    await alice.text("These are the seats of today.")
    await alice.page.get_by_role("button", name="Back to now").click()
    await alice.shows("points").get_by_text("600", exact=True).wait_for()

    await alice.choose_language("de")
    confirmed = alice.shows("ledger").locator("li", has_text="+100").nth(1)
    await confirmed.locator("summary").click()
    explanation = await confirmed.locator(".event").inner_text()
    assert "mit Ihrem Code" in explanation
    assert "Eine Person, die mit Ihrem Code beitritt, bringt Ihnen 100 Punkte." in explanation
    assert "joined with your code" not in explanation
    await alice.choose_language("en")

    await alice.open("/app/invite")
    for address, state in {**INVITED, EXPIRED: "expired"}.items():
        row = alice.shows("invitations").get_by_role("listitem").filter(has_text=address).first
        await row.get_by_text(STATES[state], exact=True).first.wait_for()
        if state == "failed":
            assert await row.locator("li.reached").count() == 1
