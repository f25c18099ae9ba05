"""The snippets of docs/api.md do what the page says, on the deployed template."""

import asyncio
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.support.stack import Stack

pytestmark = pytest.mark.stack

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SHELL, SCRIPT = "sh", "js"


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
async def environment(stack: Stack) -> dict[str, str]:
    stack.service("invites").start()
    await stack.service("referrals").start().ready()
    await stack.service("invites").ready()
    gateway = await stack.service("gateway").start().ready()
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    await asyncio.to_thread(stack.people.sign_up, email)
    tokens = await asyncio.to_thread(stack.people.sign_in, email)
    return {
        **os.environ,
        "GATEWAY": gateway.url,
        "ID_TOKEN": tokens["id"],
        "ACCESS_TOKEN": tokens["access"],
    }


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(  # noqa: S603  our own page
        command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_works_as_it_is_written(environment: dict[str, str]) -> None:
    """In its order: the account is opened first."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    outputs = [run(environment, "bash", "-euc", snippet) for snippet in snippets(SHELL)]
    assert '"referralCode"' in outputs[0]
    assert outputs[1] == outputs[0]
    assert outputs[2] == '{"valid":false}'
    assert '"state":"active"' in outputs[3]
    assert '"items":[]' in outputs[4]
    assert '"rank":' in outputs[5]
    assert '"isMe":true' in outputs[6]
    assert outputs[-2].startswith("202 /v1/operations/")
    assert outputs[-1] == '{"items":[],"next":null}'
    if shutil.which("node") is None:
        pytest.skip("there is no node for the snippets in JavaScript")
    names = "const gateway = process.env.GATEWAY, accessToken = process.env.ACCESS_TOKEN;\n"
    for snippet in snippets(SCRIPT):
        run(environment, "node", "--input-type=module", "-e", names + snippet)
