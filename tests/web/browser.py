"""Drive Chromium as people do, each with a browser profile of their own."""

import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.folders import ROOT
from deploy.local.demo_users import PASSWORD, UserPool

PACKAGES = ROOT / ".local" / "browser"
CHROMIUM = shutil.which("chromium")
AXE = PACKAGES / "node_modules" / "axe-core" / "axe.min.js"
PLAYWRIGHT = next((PACKAGES / "venv").glob("lib/python*/site-packages"), None)
INSTALLED = CHROMIUM is not None and AXE.is_file() and PLAYWRIGHT is not None
WAIT_MS = 20_000
REFUSED = ("Content Security Policy", "TrustedHTML", "TrustedScript", "Refused to")
"""Parts of what Chromium prints about a violation of the policy."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Run Chromium."""
    # its own folder: most environments need no browser
    sys.path.append(str(PLAYWRIGHT))
    from playwright.async_api import async_playwright  # noqa: PLC0415  see above

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()


def _axe() -> str:
    return AXE.read_text()


@dataclass
class Visitor:
    """Visit the pages with a browser profile, and record what must never happen."""

    gateway: str
    hosts: set[str]
    users: UserPool
    context: Any
    page: Any
    problems: list[str] = field(default_factory=list)

    @classmethod
    async def arrive(
        cls, browser: Any, gateway: str, sign_in: str, users: UserPool, **options: Any
    ) -> "Visitor":
        context = await browser.new_context(**{"locale": "en-GB"} | options)
        context.set_default_timeout(WAIT_MS)
        hosts = {urlsplit(gateway).netloc, urlsplit(sign_in).netloc}
        visitor = cls(gateway, hosts, users, context, await context.new_page())
        context.on("request", visitor._watch_request)
        context.on("weberror", lambda each: visitor.problems.append(f"error: {each.error}"))
        context.on("console", visitor._watch_console)
        return visitor

    def _watch_request(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc not in self.hosts:
            self.problems.append(f"request to another host: {request.url}")
        if "eyJ" in request.url:
            self.problems.append(f"token in an address: {request.url}")

    def _watch_console(self, message: Any) -> None:
        if any(part in message.text for part in REFUSED):
            self.problems.append(message.text)

    async def open(self, path: str, page: Any = None) -> None:
        await (page or self.page).goto(self.gateway + path)

    async def sign_in(self, email: str) -> None:
        """Click "Sign in", and sign in with the hosted page; the person is created on demand."""
        self.users.sign_up(email)
        await self.page.locator("main").get_by_role("button", name="Sign in").click()
        await self.page.locator("[name=username]").fill(email)
        await self.page.locator("[name=password]").fill(PASSWORD)
        await self.page.locator("[type=submit]").click()
        await self.page.wait_for_url(f"{self.gateway}/app/**")

    def shows(self, name: str, page: Any = None) -> Any:
        """Return the element that the pages mark for tests with this name."""
        return (page or self.page).locator(f'[data-test="{name}"]')

    async def text(self, text: str) -> None:
        """Wait until the page shows a text."""
        await self.page.get_by_text(text, exact=False).first.wait_for()

    async def violations(self) -> list[str]:
        """Return what axe finds on the page, of every impact, as `rule: element`."""
        if not await self.page.evaluate("typeof axe === 'object'"):
            await self.page.evaluate(_axe())
        found = await self.page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations"
            ".flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`)))"
        )
        return list(found)

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        width: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width
