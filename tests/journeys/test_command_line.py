"""What an operator types: every verb, on a running service."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis

from chassis.bus.outcomes import Outcomes
from contracts.referrals import OpenAccount
from tests.support.boto import boto
from tests.support.eventually import eventually
from tests.support.nursery import Forked
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Done:
    returncode: int
    told: str


@dataclass(frozen=True)
class Shell:
    stack: Stack
    member: str

    async def run(self, *words: str) -> Done:
        """`python -m referrals …`, with both of its outputs as one text."""
        log = self.stack.settings.state / f"{uuid4()}.log"
        process = Forked(["referrals", *words], {**os.environ, **self.stack.environment}, log)
        code = await asyncio.to_thread(process.wait, 60)
        return Done(code, log.read_text())


@pytest.fixture(scope="module")
async def shell(stack: Stack) -> AsyncIterator[Shell]:
    """A service that runs, and one member whom it knows."""
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


async def test_the_history_of_a_stream_is_told(shell: Shell) -> None:
    stream = f"member-{shell.member}"
    told, past = await asyncio.gather(
        shell.run("events", stream), shell.run("events", stream, "--at", "2020-01-01")
    )
    assert told.returncode == 0, told.told
    assert [line.split()[2] for line in told.told.splitlines()] == ["AccountOpened", "CodeIssued"]
    assert past.returncode == 1
    assert "at that time" in past.told


async def test_read_models_are_listed_rebuilt_and_verified(shell: Shell) -> None:
    rebuilt = await shell.run("rebuild", "members")
    assert rebuilt.returncode == 0, rebuilt.told
    listed = await shell.run("projections")
    assert listed.returncode == 0
    rows = [line.split()[:4] for line in listed.told.splitlines()[1:]]
    assert ["members", "2", "1", "Retired"] in rows
    assert ["members", "2", "2", "Active"] in rows
    assert ["codes", "1", "1", "Active"] in rows
    assert "0 events, " in listed.told  # behind
    looked = await shell.run("rebuild", "codes", "--dry-run")
    back = await shell.run("rollback", "members")
    assert looked.returncode == 0, looked.told
    assert "is complete" in looked.told
    assert back.returncode == 0, back.told
    verified, status = await asyncio.gather(shell.run("verify"), shell.run("status", "--watch"))
    assert verified.returncode == 0, verified.told
    assert "0 streams differ" in verified.told
    assert "members: generation 1 Active" in status.told


async def test_figures_are_told_to_prometheus(shell: Shell) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{shell.stack.service('referrals').url}/metrics") as answer,
    ):
        figures = await answer.text()
    assert answer.status == 200
    assert 'projection_changes_total{status="applied"}' in figures
    assert 'read_model_state{generation="1",read_model="codes",state="active"} 1.0' in figures
    assert "projection_lag_seconds" in figures
    assert "rebuild_done_ratio" in figures


async def test_an_unknown_read_model_is_told(shell: Shell) -> None:
    done = await shell.run("rebuild", "melons")
    assert done.returncode == 2
    assert "known: members, codes" in done.told


async def test_other_rules_are_run_over_history(shell: Shell, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"guards": {"version": 2}, "points": {"inviter": 50, "invited": 5}}')
    told, wrong = await asyncio.gather(
        shell.run("what-if", "--rules", str(rules), "--since", "2020-01-01"),
        shell.run("what-if", "--rules", "no-such-file"),
    )
    assert told.returncode == 0, told.told
    assert "verdicts again" in told.told
    assert wrong.returncode == 2
    assert "cannot be read" in wrong.told
