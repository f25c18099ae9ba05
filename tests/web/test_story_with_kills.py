"""The story from a mail to the inviter's points goes on when gateway and Redis are killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from deploy.local.rate_limits import raise_limits, wait_until_enforced
from deploy.local.settings import LocalSettings
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, local_settings
from tests.web.browser import Visitor
from tests.web.conftest import SERVICES, Arrive, links_to
from tests.web.mails import link_in_mail
from tests.web.test_session import live
from tests.web.test_story import an_address

SECONDS = 2.0
"""Time from a friend's confirmation to the inviter's points, at most."""
BUSY = 3.0
"""On a busy machine: how many times longer than before the kills it may take."""
STORED_ON_DISK = ("--appendonly", "yes")


@dataclass
class Killable:
    """Run a system of its own, whose gateway and Redis a test may kill."""

    stack: Stack
    redis: RedisServer

    async def start(self) -> None:
        raise_limits(self.stack.settings.redis_url, 100)
        for name in SERVICES:
            self.stack.service(name).start(**links_to(self.stack))
        for name in SERVICES:
            await self.stack.service(name).ready(seconds=120)
        await asyncio.to_thread(wait_until_enforced, self.stack.settings.gateway_url, 100)

    async def kill(self) -> None:
        """Kill the gateway and Redis, as if their hosts were lost."""
        gateway = self.stack.service("gateway")
        assert gateway.process is not None
        gateway.process.kill()
        await gateway.died()
        await self.redis.kill()


@pytest.fixture(scope="module")
async def killable(
    settings: LocalSettings, aws: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Killable]:
    folder = tmp_path_factory.mktemp("killable")
    separate = local_settings(folder).model_copy(
        update={"stack": f"{settings.stack}-kills", "aws_port": settings.aws_port}
    )
    assert separate.aws_url == aws
    redis = RedisServer(folder / "redis", separate.redis_port)
    await redis.start()
    stack = await asyncio.to_thread(Stack.deployed, separate)
    system = Killable(stack, redis)
    try:
        await system.start()
        yield system
    finally:
        await asyncio.to_thread(stack.stop)
        await redis.kill()


@pytest.fixture(scope="module")
def site(killable: Killable) -> Stack:
    return killable.stack


@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [(), STORED_ON_DISK], ids=["empty", "with its data"])
async def test_points_arrive_although_gateway_and_redis_were_killed(
    options: tuple[str, ...], arrive: Arrive, killable: Killable
) -> None:
    await restarted_with(killable, options)
    alice = await arrive()
    await alice.open("/app/")
    await alice.sign_in(an_address("alice"))
    await live(alice, alice.page)
    documents = reloads(alice)
    before = await joined(alice, await invited_friend(killable, alice, arrive), 100)

    friend = await invited_friend(killable, alice, arrive)
    await killable.kill()
    await alice.shows("position").get_by_text("connecting").wait_for()
    await killable.redis.start()
    await killable.start()
    await live(alice, alice.page)
    after = await joined(alice, friend, 200)

    print(f"\npoints after {before:.2f} s, and after the kills {after:.2f} s")  # noqa: T201  figures
    assert after <= max(SECONDS, BUSY * before)
    assert documents == [], "the page was loaded again"


async def restarted_with(killable: Killable, options: tuple[str, ...]) -> None:
    """Restart Redis with options, unless it has them; its services go on."""
    if killable.redis.options != options:
        await killable.redis.kill()
        killable.redis.options = options
        await killable.redis.start()
        await killable.start()


def reloads(visitor: Visitor) -> list[str]:
    """Return a list that grows with each document that the visitor's page loads from now on."""
    found: list[str] = []
    visitor.page.on("domcontentloaded", lambda page: found.append(page.url))
    return found


@dataclass(frozen=True)
class Friend:
    visitor: Visitor
    email: str


async def invited_friend(killable: Killable, alice: Visitor, arrive: Arrive) -> Friend:
    """Let Alice invite a friend, who follows the link of the mail."""
    friend, email = await arrive(), an_address("friend")
    await alice.page.get_by_role("link", name="Invite", exact=True).click()
    await alice.page.get_by_label("E-mail address").fill(email)
    await alice.page.get_by_role("button", name="Send the invitation").click()
    await alice.text(f"Your invitation to {email} is on its way.")
    await alice.page.get_by_role("link", name="Home").click()
    link = await link_in_mail(killable.stack, email)
    friend.secrets.append(link.partition("#")[2])
    await friend.page.goto(link)
    await friend.shows("question").wait_for()
    return Friend(friend, email)


async def joined(alice: Visitor, friend: Friend, points: int) -> float:
    """Let a friend join; return the seconds from then until Alice's page shows her points."""
    page = friend.visitor.page
    await page.get_by_role("button", name="Yes, I accept").click()
    await friend.visitor.text("A seat is reserved for you")
    await friend.visitor.sign_in(friend.email)
    await friend.visitor.text("You are in: 10 points for you")
    started = time.monotonic()
    await alice.shows("points").get_by_text(str(points), exact=True).wait_for()
    return time.monotonic() - started
