"""Draw the pictures of docs/images from the running system, which `make demo` has filled."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.folders import ROOT
from deploy.local.chain import TOKEN
from deploy.local.demo_users import DEMO_USERS, UserPool
from deploy.local.provision import read_environment
from deploy.local.settings import LocalSettings
from tests.web.browser import INSTALLED, Visitor, chromium

SETTLING_MS: Final = 2_500
IMAGES: Final = ROOT / "docs" / "images"


@dataclass(frozen=True)
class Picture:
    """Describe one picture: a page, how it is shown, and what has to be on it first."""

    name: str
    path: str
    width: int
    theme: str
    shown: str
    locale: str = "en-GB"
    height: int = 900


PICTURES: Final = (
    Picture("member", "/app/", 1100, "light", '[data-test="ledger"] li'),
    Picture("member-phone", "/app/", 390, "dark", '[data-test="ledger"] li', "de-DE"),
    Picture("invitations", "/app/invite", 1100, "light", '[data-test="invitations"] li'),
    Picture("leaderboard", "/app/board", 1100, "dark", '[data-test="me"]'),
    Picture(
        "token",
        f"/app/token/local/{TOKEN}",
        1400,
        "dark",
        "[data-test=map][data-drawn]",
        height=1500,
    ),
)


async def draw(settings: LocalSettings, folder: Path) -> None:
    """Sign in once for each picture, and store it."""
    users = UserPool.of(read_environment(settings.service_env))
    async with chromium() as browser:
        for each in PICTURES:
            visitor = await Visitor.arrive(
                browser, settings.gateway_url, settings.aws_url, users,
                viewport={"width": each.width, "height": each.height}, color_scheme=each.theme,
            )  # fmt: skip
            await visitor.open("/app/")
            await visitor.sign_in(DEMO_USERS[0])
            await visitor.shows("code").wait_for()
            await visitor.page.locator("select").first.select_option(each.locale[:2])
            await visitor.open(each.path)
            await visitor.page.locator(each.shown).first.wait_for()
            await visitor.page.wait_for_timeout(SETTLING_MS)  # the event stream never ends
            await visitor.page.screenshot(
                path=folder / f"{each.name}.png", full_page=each.name != "token"
            )
            await visitor.context.close()


def main() -> None:
    settings = LocalSettings()
    if not INSTALLED or not settings.ready.exists():
        sys.exit("Install a browser and start the system first: make browser, make demo")
    IMAGES.mkdir(exist_ok=True)
    asyncio.run(draw(settings.as_started(), IMAGES))


if __name__ == "__main__":
    main()
