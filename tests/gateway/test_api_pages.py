"""The pages of docs/api document every route, and their snippets get the responses they show."""

import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from deploy.local.bootstrap import answers
from deploy.local.chain import TOKEN
from deploy.local.programs import Program
from deploy.local.provision import chain_environment, wait_for
from deploy.local.settings import SERVICES
from gateway.http.routing import AnyRoute
from gateway.limits.table import default_limits
from gateway.routes import ROUTES
from tests.gateway.page_people import PagePeople, subject
from tests.gateway.pages import OVERVIEW, RESOURCES, SCRIPT, SHELL, snippets, steps
from tests.gateway.reader import Browser, Reader, browser
from tests.support.eventually import eventually
from tests.support.rate_limits import restore_limits, suspend_limits
from tests.support.stack import Stack, running
from token_bucket import Scope

WITHOUT_ACCOUNT = ("accounts",)
"""Pages whose reader has no account yet."""
DOCUMENTED = re.compile(r"`((?:GET|POST|DELETE) /v1/[^`?]*)`")
PARAMETER = re.compile(r"\{\w+\}")
PATH = re.compile(r"(/v1/(?:[\w/.-]|\$\{\w+\}|\$\w+)+)")

page = pytest.mark.parametrize("page", [OVERVIEW, *RESOURCES], ids=lambda page: page.stem)


# What is documented


def test_every_route_is_documented_and_nothing_else() -> None:
    documented = {name for page in RESOURCES for name in DOCUMENTED.findall(page.read_text())}
    assert documented == {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
@pytest.mark.parametrize("language", [SHELL, SCRIPT])
def test_every_route_is_shown_in_curl_and_in_fetch(language: str, route: AnyRoute) -> None:
    shown = [one.text for page in RESOURCES for one in snippets(page) if one.language == language]
    path = re.compile("/[^/]+".join(PARAMETER.split(route.path.replace("/{", "{"))))
    asked = [request for text in shown for request in REQUESTS[language](text)]
    assert any(method == route.method and path.fullmatch(at) for method, at in asked)


def requests_in_shell(text: str) -> Iterator[tuple[str, str]]:
    """Method and path of each."""
    for words in re.split(r"\bcurl\b", text)[1:]:
        method = re.search(r"-X (\w+)", words)
        yield from ((method[1] if method else "GET", at) for at in PATH.findall(words)[:1])


def requests_in_script(text: str) -> Iterator[tuple[str, str]]:
    places = list(PATH.finditer(text))
    ends = [place.start() for place in places[1:]] + [len(text)]
    for place, end in zip(places, ends, strict=False):
        method = re.search(r"method: \"(\w+)\"", text[place.end() : end])
        yield method[1] if method else "GET", place[1]


REQUESTS = {SHELL: requests_in_shell, SCRIPT: requests_in_script}


def test_the_overview_links_every_page() -> None:
    links = re.findall(r"\]\(api/([\w-]+\.md)\)", OVERVIEW.read_text())
    assert {page.name for page in RESOURCES} == set(links)


@page
def test_a_page_has_snippets_in_both_languages(page: Path) -> None:
    assert {snippet.language for snippet in snippets(page)} == {SHELL, SCRIPT}


# What happens


@pytest.fixture(scope="module")
def chain(stack: Stack) -> Iterator[str]:
    settings = stack.settings
    words = [sys.executable, "-m", "deploy.local.chain", "--port", str(settings.chain_port)]
    with running(Program(words, settings.environment())):
        wait_for("the chain", lambda: answers(f"{settings.chain_url}healthz"))
        yield settings.chain_url


@pytest.fixture(scope="module")
async def gateway(stack: Stack, chain: str) -> AsyncIterator[str]:
    """A complete stack that does not limit addresses: all readers have the same one."""
    ours = chain_environment(chain)
    limits = [
        limit.name for limit in default_limits().limits.values() if limit.scope is not Scope.USER
    ]
    async with Redis.from_url(stack.settings.redis_url) as redis:
        await suspend_limits(redis, limits)
        for name in ("compute", "gateway"):
            stack.service(name).stop()
            stack.service(name).start(**ours)
        for name in SERVICES:
            stack.service(name).start()
        for name in SERVICES:
            await stack.service(name).ready()
        yield stack.service("gateway").url
        await restore_limits(redis)
    for name in ("compute", "gateway"):
        stack.service(name).stop()


@pytest.fixture(scope="module")
async def window() -> AsyncIterator[Browser]:
    for program in ("curl", "node"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    async with browser() as opened:
        yield opened


@pytest.mark.stack
@page
async def test_the_snippets_of_a_page_get_the_documented_responses(
    page: Path, window: Browser, gateway: str, stack: Stack
) -> None:
    """Read by a new person, from top to bottom."""
    people = PagePeople(stack.users, stack.settings.aws_url)
    if page.stem not in WITHOUT_ACCOUNT:
        await open_account(people, gateway, stack.settings.redis_url)
    reader = Reader(window, {"GATEWAY": gateway, "CHAIN": "local", "TOKEN": TOKEN}, people)
    for step in steps(page):
        await reader.follow(step)


async def open_account(people: PagePeople, gateway: str, redis_url: str) -> None:
    """Open the reader's account, and wait until all services know it."""
    token = await people("ID_TOKEN") or ""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{gateway}/v1/me", headers=headers) as response,
    ):
        assert response.status == 201
    async with Redis.from_url(redis_url) as redis:
        known = f"invites:{{inviters:*:inviter-{subject(token)}}}"

        async def registered() -> bool:
            return any([True async for _ in redis.scan_iter(match=known)])

        await eventually(registered)
