"""The pages of docs/api document every route, and their snippets get the responses they show."""

import re
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.local.bootstrap import answers
from deploy.local.chain import TOKEN
from deploy.local.programs import Program, running
from deploy.local.provision import chain_environment, wait_for
from deploy.local.settings import SERVICES
from gateway.http.routing import AnyRoute
from gateway.routes import ROUTES
from tests.gateway.page_people import PagePeople
from tests.gateway.pages import OVERVIEW, RESOURCES, SCRIPT, SHELL, snippets, steps
from tests.gateway.reader import Browser, Reader, SnippetFailed, browser
from tests.support.rate_limits import restore_limits
from tests.support.stack import Stack

DOCUMENTED = re.compile(r"`((?:GET|POST|PUT|DELETE) /v1/[^`?]*)`")
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


@page
def test_every_loop_that_waits_ends(page: Path) -> None:
    endless = re.compile(r"\b(?:while|until)\b")
    waiting = [one for one in snippets(page) if re.search(r"setTimeout|\bsleep\b", one.text)]
    assert not [f"line {one.line}" for one in waiting if endless.search(one.text)]


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
    """Serve from a complete stack with the limits that are the default."""
    slowly = {"OUTCOME_WAIT_SECONDS": "20"}  # the results are shown, also on a slow machine
    ours = {**chain_environment(chain), **slowly}
    for name in ("compute", "gateway"):
        stack.service(name).stop()
        stack.service(name).start(**ours)
    for name in SERVICES:
        stack.service(name).start()
    for name in SERVICES:
        await stack.service(name).ready()
    stack.settings.note_ports()
    yield stack.service("gateway").url
    stack.settings.ready.unlink()
    for name in ("compute", "gateway"):
        stack.service(name).stop()
    async with Redis.from_url(stack.settings.redis_url) as redis:
        await restore_limits(redis)


@pytest.fixture(scope="module")
async def window() -> AsyncIterator[Browser]:
    for program in ("curl", "node"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    async with browser() as opened:
        yield opened


@pytest.mark.stack
@pytest.mark.timeout(420)
async def test_one_person_gets_the_documented_responses_of_all_pages(
    window: Browser, gateway: str, stack: Stack
) -> None:
    """Follow every step, in the order of the overview, with default limits and no other retries."""
    alice = f"alice-{secrets.token_hex(4)}@example.com"
    failed = list[str]()
    for page in (OVERVIEW, *in_order()):
        people = PagePeople(stack.users, stack.settings.aws_url, alice)
        names = {"GATEWAY": gateway, "CHAIN": "local", "TOKEN": TOKEN}
        reader = Reader(window, names, people, stack.settings.environment())
        try:
            for step in steps(page):
                await reader.follow(step)
        except SnippetFailed as error:
            failed.append(f"{page.name}, {error}")
    assert not failed, "\n\n".join(failed)


def in_order() -> list[Path]:
    """Return the pages in the order of the overview."""
    names = re.findall(r"\]\(api/([\w-]+\.md)\)", OVERVIEW.read_text())
    return [OVERVIEW.parent / "api" / name for name in dict.fromkeys(names)]
