"""Drive Chromium as people do, each with a browser profile of their own."""

import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.folders import ROOT
from deploy.local.demo_users import PASSWORD, UserPool
from tests.support.chromium import CHROMIUM

PACKAGES = ROOT / ".local" / "browser"
AXE = PACKAGES / "node_modules" / "axe-core" / "axe.min.js"
PLAYWRIGHT = next((PACKAGES / "venv").glob("lib/python*/site-packages"), None)
INSTALLED = CHROMIUM is not None and AXE.is_file() and PLAYWRIGHT is not None
WAIT_MS = 120_000
"""Time for what usually takes a second: other processes may use the machine as well."""
REFUSED = ("Content Security Policy", "TrustedHTML", "TrustedScript", "Refused to")
"""Parts of what Chromium prints about a violation of the policy."""
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => console.error(
  `Content Security Policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))"""
"""Prints each violation that the browser reports to a page."""
STORED = """(async () => ({
  local: {...localStorage}, session: {...sessionStorage}, cookies: document.cookie,
  databases: (await indexedDB.databases()).map(({name}) => name), caches: await caches.keys(),
  addresses: [location.href, document.referrer, ...navigation.entries().map(({url}) => url)],
}))()"""
"""Returns what a page has stored, and the addresses that its tab remembers."""
LOCAL_KEYS = {"vouch.language", "vouch.theme", "vouch.tokens"}
SESSION_KEYS = {"vouch.joining", "vouch.name", "vouch.refresh", "vouch.sign-in"}
CUT_OFF = """(() => {
  const scrolls = (element) => element !== null
    && (/auto|scroll/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
  const needed = (select) => {
    const {width, flex} = select.style;
    Object.assign(select.style, {width: "max-content", flex: "none"});
    const found = select.getBoundingClientRect().width;
    Object.assign(select.style, {width, flex});
    return found;
  };
  const isCutOff = (control) => {
    const inner = control.getBoundingClientRect();
    const outer = control.parentElement.getBoundingClientRect();
    if (inner.width <= 1 || scrolls(control.parentElement)) return false;
    if (inner.right > outer.right + 1 || inner.left < outer.left - 1) return true;
    if (control.tagName === "SELECT") return needed(control) > inner.width + 1;
    return control.tagName !== "INPUT" && control.scrollWidth > control.clientWidth + 1;
  };
  return [...document.querySelectorAll("button, select, input, textarea, a.button")]
    .filter((control) => control.checkVisibility() && isCutOff(control))
    .map((control) => control.outerHTML.slice(0, 120));
})()"""
"""Returns the controls that are wider than their container, or too narrow for their text."""
STORES = ("cookies", "databases", "caches")
"""Stores that the pages do not use."""
TOKEN = re.compile(r"eyJ[\w-]+\.")
"""How each token of Cognito begins; random texts of addresses may contain `eyJ`, but no dot."""


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


async def stored(page: Any) -> dict[str, Any]:
    """Return what a page has stored, as soon as it is not being replaced by another page."""
    from playwright.async_api import Error  # noqa: PLC0415  see above

    while True:
        try:
            found: dict[str, Any] = await page.evaluate(STORED)
        except Error as error:
            if "context was destroyed" not in str(error):
                raise
            await page.wait_for_load_state()
        else:
            return found


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
    secrets: list[str] = field(default_factory=list)
    """Besides tokens, what no address may contain, and no storage except the refresh token's."""

    @classmethod
    async def arrive(
        cls, browser: Any, gateway: str, sign_in: str, users: UserPool, **options: Any
    ) -> "Visitor":
        context = await browser.new_context(**{"locale": "en-GB"} | options)
        context.set_default_timeout(WAIT_MS)
        hosts = {urlsplit(gateway).netloc, urlsplit(sign_in).netloc}
        visitor = cls(gateway, hosts, users, context, await context.new_page())
        await context.add_init_script(REPORT_VIOLATIONS)
        context.on("request", visitor._watch_request)
        context.on("weberror", lambda each: visitor.problems.append(f"error: {each.error}"))
        context.on("console", visitor._watch_console)
        return visitor

    def _watch_request(self, request: Any) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https") and url.netloc not in self.hosts:
            self.problems.append(f"request to another host: {request.url}")
        sent = request.url.partition("#")[0]
        if self._contains_secret(sent):
            self.problems.append(f"token in an address: {sent}")
        if request.headers.get("referer", "").startswith(self.gateway):
            self.problems.append(f"address of a page in a request: {request.headers['referer']}")

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

    async def signs_in_with(self, fill_in: Callable[..., Awaitable[None]], email: str) -> None:
        """Fill in the hosted page in another way, and return to the pages."""
        await fill_in(self.page, email, PASSWORD)
        await self.page.wait_for_url(f"{self.gateway}/app/**")

    async def open_signed_in(self, path: str, email: str) -> None:
        """Open a page as a person who has signed in in this browser before; created on demand."""
        token = self.users.refresh_token(email)
        await self.context.add_init_script(
            f"""if (location.origin === {json.dumps(self.gateway)})
                  sessionStorage.setItem("vouch.refresh", {json.dumps(token)})"""
        )
        await self.open(path)

    async def leave(self) -> None:
        """Close the browser profile, after a look at what the open pages have stored."""
        for page in self.context.pages:
            if page.url.startswith(self.gateway + "/app/"):
                self._check(await stored(page))
        await self.context.unroute_all(behavior="ignoreErrors")
        await self.context.close()

    def _check(self, stored: dict[str, Any]) -> None:
        local, session = stored["local"], stored["session"]
        found = [f"localStorage: {key}" for key in set(local) - LOCAL_KEYS]
        found += [f"sessionStorage: {key}" for key in set(session) - SESSION_KEYS]
        found += [f"{kind}: {stored[kind]}" for kind in STORES if stored[kind]]
        session.pop("vouch.refresh", None)
        text = json.dumps([local, session, stored["addresses"]])
        found += [f"a token is stored: {text}"] * self._contains_secret(text)
        self.problems += found

    def _contains_secret(self, text: str) -> bool:
        """Return whether a text contains a token, or another secret."""
        return TOKEN.search(text) is not None or any(secret in text for secret in self.secrets)

    def shows(self, name: str, page: Any = None) -> Any:
        """Return the element that the pages mark for tests with this name."""
        return (page or self.page).locator(f'[data-test="{name}"]')

    async def choose_language(self, language: str) -> None:
        """Choose the language of the pages, and wait until the page speaks it."""
        await self.page.locator("select").first.select_option(language)
        await self.page.locator(f"html[lang={language}]").wait_for()

    async def text(self, text: str) -> None:
        """Wait until the page shows a text."""
        await self.page.get_by_text(text, exact=False).first.wait_for()

    async def violations(self, *rules: str) -> list[str]:
        """Return what axe finds on the page, of every impact, as `rule: element`.

        With `rules`, only these are checked.
        """
        only = f"runOnly: {json.dumps(rules)}, " if rules else ""
        if not await self.page.evaluate("typeof axe === 'object'"):
            await self.page.evaluate(_axe())
        found = await self.page.evaluate(
            f"axe.run(document, {{{only}resultTypes: ['violations']}})"
            ".then((result) => result.violations"
            ".flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`)))"
        )
        return list(found)

    async def cut_off(self) -> list[str]:
        """Return the controls that are wider than their container, or too narrow for their text."""
        return list(await self.page.evaluate(CUT_OFF))

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        width: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return width


async def without_parts(route: Any) -> None:
    """Take points and entries out of an overview, so that the page loads them by themselves."""
    response = await route.fetch()
    overview = await response.json()
    await route.fulfill(response=response, json=overview | {"ledger": None, "stats": None})
