"""Axe finds nothing on /docs in Chromium, and its forms send requests."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.support.chromium import CHROMIUM
from tests.support.stack import Stack

SCRIPT = Path(__file__).with_name("docs_page_in_browser.mjs")
PACKAGES = Path(__file__).parents[2] / ".local" / "browser"

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        CHROMIUM is None or not (PACKAGES / "node_modules").is_dir(),
        reason="Chromium is missing: `make browser` needs npm and Debian's packages",
    ),
]


@pytest.mark.timeout(300)
async def test_the_page_is_accessible_and_sends_requests(stack: Stack) -> None:
    gateway = (await stack.service("gateway").start().ready()).url
    process = await asyncio.create_subprocess_exec(
        *("node", str(SCRIPT), gateway.rstrip("/"), str(CHROMIUM), str(PACKAGES)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, errors = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 0, errors.decode()
    found = json.loads(printed)
    assert found["shown"] == ["403"] * 2
    assert found | {"shown": []} == {
        "violations": [],
        "elsewhere": [],
        "errors": [],
        "overflowing": [],
        "shown": [],
    }
