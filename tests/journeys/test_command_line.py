"""Run each operator command against a running service."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis

from chassis.bus.outcomes import Outcomes
from contracts.referrals import OpenAccount
from deploy.local.settings import LocalSettings
from tests.support.boto import boto
from tests.support.eventually import eventually
from tests.support.forked_process import ForkedProcess
from tests.support.stack import Stack, local_settings, redis_server

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class CommandResult:
    returncode: int
    output: str


@dataclass(frozen=True)
class Shell:
    stack: Stack
    member: str

    async def run(self, *arguments: str) -> CommandResult:
        """Run `python -m referrals …`; stdout and stderr become one text."""
        log = self.stack.settings.state / f"{uuid4()}.log"
        process = ForkedProcess(
            ["referrals", *arguments], {**os.environ, **self.stack.environment_of("referrals")}, log
        )
        code = await asyncio.to_thread(process.wait, 60)
        return CommandResult(code, log.read_text())


@pytest.fixture(scope="module")
def stack(
    aws: str, settings: LocalSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A log and a Redis of this module: `verify` counts every event that is not projected yet."""
    own = local_settings(tmp_path_factory.mktemp("lines")).model_copy(
        update={"aws_port": settings.aws_port, "stack": f"lines{uuid4().hex[:8]}"}
    )
    assert own.aws_url == aws
    with redis_server(own):
        stack = Stack.deployed(own)
        yield stack
        stack.stop()


@pytest.fixture(scope="module")
async def shell(stack: Stack) -> AsyncIterator[Shell]:
    """Start the service and open an account."""
    service = await stack.service("referrals").start().ready()
    member = str(uuid4())
    command = OpenAccount(member_id=member, email=f"{member}@example.com")
    redis = Redis.from_url(stack.settings.redis_url)
    async with boto(stack) as clients:
        await clients.sqs.send_message(
            QueueUrl=clients.commands,
            MessageBody=command.model_dump_json(),
            MessageGroupId=command.stream,
            MessageDeduplicationId=member,
            MessageAttributes={"command-id": {"DataType": "String", "StringValue": member}},
        )
        await eventually(lambda: Outcomes(redis).get(member))
    yield Shell(stack, member)
    await redis.aclose()
    service.stop()


async def test_the_events_of_a_stream_are_listed(shell: Shell) -> None:
    stream = f"member-{shell.member}"
    listed, past = await asyncio.gather(
        shell.run("events", stream), shell.run("events", stream, "--at", "2020-01-01")
    )
    assert listed.returncode == 0, listed.output
    types = [line.split()[2] for line in listed.output.splitlines()]
    assert types == ["AccountOpened", "CodeIssued"]
    assert past.returncode == 1
    assert "at that time" in past.output


async def test_read_models_are_listed_rebuilt_and_verified(shell: Shell) -> None:
    rebuilt = await shell.run("rebuild", "members")
    assert rebuilt.returncode == 0, rebuilt.output
    listed = await shell.run("projections")
    assert listed.returncode == 0
    rows = [line.split()[:4] for line in listed.output.splitlines()[1:]]
    assert ["members", "4", "1", "Retired"] in rows
    assert ["members", "4", "2", "Active"] in rows
    assert ["codes", "1", "1", "Active"] in rows
    assert "0 events, " in listed.output  # the lag
    checked = await shell.run("rebuild", "codes", "--dry-run")
    rolled_back = await shell.run("rollback", "members")
    assert checked.returncode == 0, checked.output
    assert "is complete" in checked.output
    assert rolled_back.returncode == 0, rolled_back.output
    verified, status = await asyncio.gather(shell.run("verify"), shell.run("status", "--watch"))
    assert verified.returncode == 0, verified.output
    assert "0 streams differ" in verified.output
    assert "members: generation 1 Active" in status.output


async def test_metrics_are_exported(shell: Shell) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{shell.stack.service('referrals').url}/metrics") as response,
    ):
        metrics = await response.text()
    assert response.status == 200
    assert 'projection_changes_total{status="applied"}' in metrics
    assert 'read_model_state{generation="1",read_model="codes",state="active"} 1.0' in metrics
    assert "projection_lag_seconds" in metrics
    assert "rebuild_done_ratio" in metrics
    assert 'command_seconds_count{command="OpenAccount",result="accepted"}' in metrics
    assert "process_resident_memory_bytes" in metrics
    assert 'worker="' not in metrics


async def test_an_unknown_read_model_is_rejected(shell: Shell) -> None:
    done = await shell.run("rebuild", "melons")
    assert done.returncode == 2
    assert "known: members, codes" in done.output


async def test_other_rules_are_applied_to_history(shell: Shell, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"guards": {"version": 2}, "points": {"inviter": 50, "invited": 5}}')
    what_if, unreadable = await asyncio.gather(
        shell.run("what-if", "--rules", str(rules), "--since", "2020-01-01"),
        shell.run("what-if", "--rules", "no-such-file"),
    )
    assert what_if.returncode == 0, what_if.output
    assert "verdicts again" in what_if.output
    assert unreadable.returncode == 2
    assert "cannot be read" in unreadable.output
