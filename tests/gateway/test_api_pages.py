"""The snippets of docs/api.md do what the page says, on the deployed template."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.bootstrap import answers
from deploy.local.programs import Program
from deploy.local.provision import chain_environment, wait_for
from deploy.local.settings import CHAIN_ID
from deploy.local.world import TOKEN
from tests.support.stack import Stack, running

pytestmark = pytest.mark.stack

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
SHELL, SCRIPT = "sh", "js"


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def chain(stack: Stack) -> Iterator[str]:
    settings = stack.settings
    port = str(settings.chain_port)
    words = [sys.executable, "-m", "deploy.local.chain", "--port", port]
    with running(Program(words, settings.environment())):
        wait_for("the chain", lambda: answers(f"{settings.chain_url}healthz"))
        yield settings.chain_url


@pytest.fixture(scope="module")
async def environment(stack: Stack, chain: str) -> AsyncIterator[dict[str, str]]:
    ours = chain_environment(chain)
    for name in ("compute", "gateway"):
        stack.service(name).stop()
    for name in ("invites", "referrals", "compute"):
        stack.service(name).start(**(ours if name == "compute" else {}))
    for name in ("invites", "referrals", "compute"):
        await stack.service(name).ready()
    gateway = await stack.service("gateway").start(**ours).ready()
    email = f"{uuid.uuid4().hex[:12]}@example.com"
    await asyncio.to_thread(stack.people.sign_up, email)
    tokens = await asyncio.to_thread(stack.people.sign_in, email)
    yield {
        **os.environ,
        "GATEWAY": gateway.url,
        "ID_TOKEN": tokens["id"],
        "ACCESS_TOKEN": tokens["access"],
        "CHAIN": "local",
        "TOKEN": TOKEN,
    }
    for name in ("compute", "gateway"):
        stack.service(name).stop()


def run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(  # noqa: S603  our own page
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
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
    assert '"caip2":"eip155:8453"' in outputs[7]
    assert "was queued for cluster analysis" in outputs[8]
    assert '"rank":1' in outputs[9]
    assert outputs[-2].startswith("202 /v1/operations/")
    assert outputs[-1] == '{"items":[],"next":null}'
    if shutil.which("node") is None:
        pytest.skip("there is no node for the snippets in JavaScript")
    names = (
        "const gateway = process.env.GATEWAY, accessToken = process.env.ACCESS_TOKEN;\n"
        f"const chain = process.env.CHAIN, chainId = {CHAIN_ID}, token = process.env.TOKEN;\n"
    )
    for snippet in snippets(SCRIPT):
        run(environment, "node", "--input-type=module", "-e", names + snippet)
