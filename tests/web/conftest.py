"""Provide a running system with its pages, and browsers to visit them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from deploy.local.provision import web_environment
from deploy.local.rate_limits import raise_limits
from tests.support.stack import Stack
from tests.web.browser import INSTALLED, Visitor, chromium
from tests.web.chains import Place, place_of

SERVICES = ("referrals", "invites", "gateway")
Arrive = Callable[..., Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "Chromium or Playwright is missing: `make browser` needs npm and Debian's packages"
    for item in items:
        if "arrive" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(400, func_only=True))
            if not INSTALLED:
                item.add_marker(pytest.mark.skip(reason=reason))


def links_to(stack: Stack) -> dict[str, str]:
    """Return the environment of services whose links lead to the gateway's pages."""
    return web_environment(stack.settings.gateway_url, stack.settings.aws_url)


@pytest.fixture(scope="module")
async def site(stack: Stack) -> AsyncIterator[Stack]:
    """Start the services so that links lead to the gateway's pages."""
    environment = links_to(stack)
    raise_limits(stack.settings.redis_url, 100)
    for name in SERVICES:
        stack.service(name).stop()
        stack.service(name).start(**environment)
    for name in SERVICES:
        await stack.service(name).ready(seconds=120)  # they start at the same time
    yield stack
    raise_limits(stack.settings.redis_url, 1)
    for name in SERVICES:
        stack.service(name).stop()  # other tests start them with links of their own


@pytest.fixture(scope="module")
async def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Start what the page of a token needs; modules that use it have its stack as their `site`."""
    async with place_of(stack, tmp_path_factory.mktemp("labels")) as started:
        yield started


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    async with chromium() as running:
        yield running


@pytest.fixture
async def arrive(browser: Any, site: Stack) -> AsyncIterator[Arrive]:
    """Return a function that lets one more person visit; afterwards, nothing forbidden happened."""
    visitors: list[Visitor] = []

    async def one_more(**options: Any) -> Visitor:
        settings = site.settings
        visitor = await Visitor.arrive(
            browser, settings.gateway_url, settings.aws_url, site.users, **options
        )
        visitors.append(visitor)
        return visitor

    yield one_more
    for visitor in visitors:
        await visitor.leave()
    assert [problem for visitor in visitors for problem in visitor.problems] == []
