"""What an operator types: every verb, on a running service."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from redis.asyncio import Redis

from chassis.outcomes import Outcomes
from contracts.referrals import OpenAccount
from deploy.local.settings import ROOT
from tests.support.boto import boto
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Shell:
    stack: Stack
    member: str

    async def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "referrals", *words],
            env=self.stack.settings.environment() | dict(self.stack.environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )


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
    told, nobody, past = await asyncio.gather(
        shell.run("events", stream),
        shell.run("events", "member-nobody"),
        shell.run("events", stream, "--at", "2020-01-01"),
    )
    assert told.returncode == 0, told.stderr
    assert [line.split()[2] for line in told.stdout.splitlines()] == ["AccountOpened", "CodeIssued"]
    assert nobody.returncode == 1
    assert past.returncode == 1
    assert "at that time" in past.stderr


async def test_read_models_are_listed_rebuilt_and_verified(shell: Shell) -> None:
    rebuilt = await shell.run("rebuild", "members")
    assert rebuilt.returncode == 0, rebuilt.stderr
    listed = await shell.run("projections")
    assert listed.returncode == 0
    rows = [line.split()[:4] for line in listed.stdout.splitlines()[1:]]
    assert ["members", "2", "1", "Retired"] in rows
    assert ["members", "2", "2", "Active"] in rows
    assert ["codes", "1", "1", "Active"] in rows
    assert "0 events, " in listed.stdout  # behind
    looked = await shell.run("rebuild", "codes", "--dry-run")
    back = await shell.run("rollback", "members")
    assert looked.returncode == 0, looked.stderr
    assert "is whole" in looked.stderr
    assert back.returncode == 0, back.stderr
    verified, status = await asyncio.gather(shell.run("verify"), shell.run("status", "--watch"))
    assert verified.returncode == 0, verified.stderr
    assert "0 streams differ" in verified.stderr
    assert "members: generation 1 Active" in status.stdout


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
    runs = [shell.run(verb, "melons") for verb in ("rebuild", "verify")]
    for done in await asyncio.gather(*runs):
        assert done.returncode == 2
        assert "there are: members, codes" in done.stderr


async def test_other_rules_are_run_over_history(shell: Shell, tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('{"guards": {"version": 2}, "points": {"inviter": 50, "invited": 5}}')
    told, wrong = await asyncio.gather(
        shell.run("what-if", "--rules", str(rules), "--since", "2020-01-01"),
        shell.run("what-if", "--rules", "no-such-file"),
    )
    assert told.returncode == 0, told.stderr
    assert "verdicts reached anew" in told.stdout
    assert wrong.returncode == 2
    assert "cannot be read" in wrong.stderr
