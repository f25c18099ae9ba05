"""The page about a restore is carried out, command by command, on a log and its read models."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chassis.bus.outcomes import Outcomes
from chassis.views.read_models import ReadModels
from contracts.messages import Command
from contracts.referrals import ACCOUNTS, GrantQuota, OpenAccount
from deploy.folders import ROOT
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.support.boto import Boto, boto
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, local_settings

pytestmark = pytest.mark.stack

PAGE = ROOT / "docs" / "restore.md"
SERVICE = "referrals"
_AWS = Path(__file__).parent / "restore_aws.py"


@pytest.fixture
async def own_stack(
    aws: str, settings: LocalSettings, redis_server: RedisServer, tmp_path: Path
) -> AsyncIterator[Stack]:
    """A stack and a Redis that no other test uses."""
    own = local_settings(tmp_path).model_copy(
        update={"aws_port": settings.aws_port, "stack": f"restore{uuid4().hex[:8]}"}
    )
    assert own.aws_url == aws
    stack = Stack.deployed(own)
    stack.environment = {**stack.environment, "REDIS_URL": redis_server.url}
    yield stack
    stack.stop()


async def send(clients: Boto, redis: Any, command: Command) -> None:
    """Send a command and wait for its outcome."""
    command_id = str(uuid4())
    await clients.sqs.send_message(
        QueueUrl=clients.commands,
        MessageBody=command.model_dump_json(),
        MessageGroupId=command.stream,
        MessageDeduplicationId=command_id,
        MessageAttributes={"command-id": {"DataType": "String", "StringValue": command_id}},
    )
    await eventually(lambda: Outcomes(redis).get(command_id))


def open_account(member: str) -> OpenAccount:
    return OpenAccount(member_id=member, email=f"{member}@example.com")


def grant(member: str, seats: int) -> GrantQuota:
    return GrantQuota(member_id=member, total_referrals=seats, by="admin", reason="test")


def script_of_page(stack: str) -> str:
    """Return all commands of the page, for the stack of the test."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return "set -euo pipefail\n" + "\n".join(blocks).replace("vouch-", f"{stack}-")


async def items(clients: Boto, table: str) -> list[dict[str, Any]]:
    return list((await clients.dynamodb.scan(TableName=table, ConsistentRead=True))["Items"])


def commands(folder: Path) -> Path:
    """Make a folder with `aws` and `python`, as an operator has them on the path."""
    folder.mkdir()
    for name, line in (
        ("aws", f'"{sys.executable}" "{_AWS}" "$@"'),
        ("python", f'"{sys.executable}" "$@"'),
    ):
        program = folder / name
        program.write_text(f"#!/bin/sh\nexec {line}\n")
        program.chmod(0o755)
    return folder


async def run(script: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=environment, cwd=ROOT,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_the_page_restores_a_log_and_its_read_models(
    own_stack: Stack, redis_server: RedisServer, tmp_path: Path
) -> None:
    name = own_stack.settings.stack
    kept, changed, gone = (f"{letter}{uuid4().hex[:10]}" for letter in "kcg")
    redis = connect(redis_server.url)
    await redis.flushall()
    readers = ReadModels(redis)
    service = await own_stack.service(SERVICE).start().ready()
    async with boto(own_stack) as clients:
        for member in (kept, changed):
            await send(clients, redis, open_account(member))
        point = {
            f"{name}-{SERVICE}-{part}": await items(clients, f"{name}-{SERVICE}-{part}")
            for part in ("events", "meta")
        }
        for seats in (20, 30):
            await send(clients, redis, grant(changed, seats))
        await send(clients, redis, open_account(gone))
        assert await readers.document(ACCOUNTS, f"member-{gone}")
        service.stop()

        (tmp_path / "point.json").write_text(json.dumps(point))
        output = await run(
            script_of_page(name),
            {
                **os.environ,
                **own_stack.environment,
                "POINT_IN_TIME": str(tmp_path / "point.json"),
                "PATH": f"{commands(tmp_path / 'bin')}:{os.environ['PATH']}",
                "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}",
            },
        )
        first, second = output.split("is served", 1)
        assert f"ahead of the log: member-{changed}" in first, output
        assert f"ahead of the log: member-{gone}" in first, output
        assert f"ahead of the log: member-{kept}" not in first, output
        assert "ahead of the log: " not in second, output

        restored = {part: f"{name}-{SERVICE}-{part}-restored" for part in ("events", "meta")}
        service.start(EVENTS_TABLE=restored["events"], META_TABLE=restored["meta"])
        await service.ready()
        assert await readers.document(ACCOUNTS, f"member-{gone}") is None
        before = await readers.view(ACCOUNTS, f"member-{changed}")
        assert before is not None
        damaged = len(await items(clients, f"{name}-{SERVICE}-events"))
        await send(clients, redis, grant(changed, 40))
        after = await readers.view(ACCOUNTS, f"member-{changed}")
        assert after != before
        await send(clients, redis, open_account(gone))  # its claims are gone as well
        assert await readers.document(ACCOUNTS, f"member-{gone}")
        assert len(await items(clients, f"{name}-{SERVICE}-events")) == damaged
    service.stop()
    await redis.aclose()
