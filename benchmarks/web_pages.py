"""Compare the first paint of the web pages, and when they can be used, with an empty page.

It needs the running system (`make demo`) and a browser (`make browser`).
"""

import asyncio
import statistics
import sys
from typing import Final

from deploy.local.chain import TOKEN
from deploy.local.demo_users import DEMO_USERS, UserPool
from deploy.local.provision import read_environment
from deploy.local.settings import LocalSettings
from tests.web.browser import INSTALLED, Visitor, chromium

LOADS: Final = 15
EMPTY: Final = f"/v1/unsubscribe/{'A' * 43}"
"""The smallest page that the gateway serves: a sentence, a button and the style sheet."""
PAGES: Final = {
    "empty page": (EMPTY, "button"),
    "join": ("/app/join", "form button"),
    "member": ("/app/", '[data-test="ledger"] li'),
    "token map": (f"/app/token/local/{TOKEN}", "[data-test=map][data-drawn]"),
}
"""Name -> path, and the element that is there once the page can be used."""
PAINT: Final = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
MOST: Final = {"join": 4.0, "member": 4.0, "token map": 4.0}
"""Name -> largest ratio of the first paint to that of the empty page."""


async def loads(visitor: Visitor, path: str, usable: str) -> tuple[float, float]:
    """Return the medians of the first paint, and of when `usable` is there, in milliseconds."""
    paints, uses = [], []
    for _ in range(LOADS):
        await visitor.open(path)
        await visitor.page.locator(usable).first.wait_for(state="attached")
        uses.append(float(await visitor.page.evaluate("performance.now()")))
        paints.append(float(await visitor.page.evaluate(PAINT)))
    return statistics.median(paints), statistics.median(uses)


async def measured(settings: LocalSettings) -> dict[str, tuple[float, float]]:
    """Return first paint and time until use of each page, by name."""
    users = UserPool.of(read_environment(settings.service_env))
    async with chromium() as browser:
        visitor = await Visitor.arrive(browser, settings.gateway_url, settings.aws_url, users)
        await visitor.open("/app/")
        await visitor.sign_in(DEMO_USERS[0])
        await visitor.shows("code").wait_for()
        return {name: await loads(visitor, *page) for name, page in PAGES.items()}


def main() -> None:
    settings = LocalSettings()
    if not INSTALLED or not settings.ready.exists():
        sys.exit("Install a browser and start the system first: make browser, make demo")
    found = asyncio.run(measured(settings.as_started()))
    empty_paint, empty_use = found["empty page"]
    print(f"{'page':<12}{'first paint':>14}{'usable':>14}{'ratios':>16}")
    for name, (paint, use) in found.items():
        ratios = f"{paint / empty_paint:.1f}, {use / empty_use:.1f}"
        print(f"{name:<12}{paint:>11.0f} ms{use:>11.0f} ms{ratios:>16}")
        assert paint / empty_paint <= MOST.get(name, 1.0), f"{name} is painted too late"


if __name__ == "__main__":
    main()
