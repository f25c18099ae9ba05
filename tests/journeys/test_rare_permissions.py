"""Do under the policies of the stacks what no other journey does; `make test-policies` runs it.

Each of these is covered by other tests. Here it shows only that the policies allow it.
"""

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

import aiohttp
import pytest
from botocore.exceptions import ClientError

from chassis.run.assembly import assemble
from chassis.run.resources import open_resources
from chassis.run.service import Application
from compute.chain.segments import S3SegmentStore
from contracts.compute import RequestAnalysis, report_key, reports_table
from contracts.invites import PostponeSending, RegisterInviter, RequestInvite
from contracts.messages import Command, Metadata
from contracts.referrals import GrantQuota, OpenAccount, ReserveReferral
from deploy.folders import event_sourced_names
from deploy.local.past import Clock
from deploy.local.provision import client
from readthrough import DAO, VersionedStore
from tests.journeys.test_invitation import Person
from tests.support.eventually import eventually
from tests.support.forked_process import ForkedProcess
from tests.support.policies import Permission
from tests.support.reports import report, summary
from tests.support.stack import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        "ENFORCE_POLICIES" not in os.environ, reason="shows only what the policies allow"
    ),
]

TOKEN: Final = "0x" + "ab" * 20
CHAIN: Final = 31_337
COMMITS: Final = 16
"""Commits of a long stream, with the limits of this test."""
ATTRIBUTES: Final = {
    name: {"DataType": "String", "StringValue": "11111111-1111-4111-8111-111111111111"}
    for name in ("command-id", "event-id")
}
QUEUES: Final = {
    name: ["commands.fifo", "announcements.fifo", *(["feedback"] if name == "invites" else [])]
    for name in event_sourced_names()
}


class Silent:
    """Publish nothing: running services must not react to what this test stores."""

    async def publish(self, *_: Any, **__: Any) -> None:
        """Drop a message."""


@dataclass
class InProcess:
    """A service of this process, whose requests to AWS its policy has to allow."""

    application: Application[Any, Any, Any, Any]
    clock: Clock

    async def execute(self, command: Command, command_id: str = "") -> None:
        number = command_id or str(uuid.uuid4())
        metadata = Metadata(command_id=number, correlation_id=number)
        await self.application.handler.execute(command, metadata)


@contextlib.asynccontextmanager
async def in_process(
    stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[InProcess]:
    """Compose a service whose streams count as long after four commits."""
    for variable, value in stack.environment_of(name).items():
        monkeypatch.setenv(variable, value)
    local = {"local": {"urls": ["http://127.0.0.1:1"], "chainId": CHAIN}}
    monkeypatch.setenv("CHAINS", json.dumps(local))
    service = getattr(import_module(f"{name}.app"), name.upper())
    service = replace(service, snapshots=replace(service.snapshots, newest=4, every=2))
    settings, clock = import_module(f"{name}.settings").Settings(), Clock()
    async with open_resources(settings) as resources:
        quiet = replace(resources, publisher=Silent(), now=clock.context)
        yield InProcess(assemble(service, settings, quiet), clock)


def commands_of(name: str) -> Sequence[Command]:
    """Return commands to one new stream, each of which appends a commit after half an hour."""
    key = uuid.uuid4().hex
    match name:
        case "referrals":
            grant = GrantQuota(member_id=key, total_referrals=1, by="admin", reason="test")
            return [
                OpenAccount(member_id=key, email=f"{key}@example.com"),
                *(grant.model_copy(update={"total_referrals": 20 + n}) for n in range(COMMITS)),
            ]
        case "invites":
            request = RequestInvite(
                invite_id=key, inviter_id="none", email=f"{key}@example.org", address_key="ab" * 32
            )
            later = PostponeSending(invite_id=key, mail=1, because="a test")
            return [request, *[later] * COMMITS]
        case "compute":
            return [RequestAnalysis(chain_id=CHAIN, token_address=f"0x{key}{key[:8]}")] * COMMITS
        case _:
            raise AssertionError(f"name commands of {name} that make a long stream")


@pytest.mark.parametrize("name", event_sourced_names())
async def test_a_long_stream_has_a_snapshot_and_an_index(
    stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = str(uuid.uuid4())
    async with in_process(stack, name, monkeypatch) as service:
        commands = commands_of(name)
        for number, command in enumerate(commands):
            service.clock.days_ago = (COMMITS - number) / 24
            await service.execute(command, "" if number else first)
        await service.execute(commands[0], first)  # delivered again: the index finds its commit
        history = await service.application.store.load(commands[0].stream)
    assert len(history.commits) == len(commands)
    assert stack.proxy is not None
    used = {permission for principal, permission in stack.proxy.used if principal == name}
    table = f"table/{stack.settings.stack}-{name}-"
    for action, part in (
        ("GetItem", "events"), ("GetItem", "meta"), ("PutItem", "meta"), ("BatchWriteItem", "meta")
    ):  # fmt: skip
        grant = Permission(f"dynamodb:{action}", f"*:{table}{part}")
        assert any(grant.covers(each) for each in used), grant


@dataclass
class Queues:
    """The queues of a service, and their dead-letter queues, as an administrator sees them."""

    sqs: Any
    stack: str
    service: str

    def url(self, queue: str) -> str:
        name = f"{self.stack}-{self.service}-{queue}"
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def dead(self, queue: str) -> str:
        head, dot, end = queue.partition(".")
        return self.url(f"{head}-dlq{dot}{end}")

    def send(self, queue: str, body: str) -> None:
        fifo = {"MessageGroupId": uuid.uuid4().hex, "MessageDeduplicationId": uuid.uuid4().hex}
        self.sqs.send_message(
            QueueUrl=self.url(queue),
            MessageBody=body,
            MessageAttributes=ATTRIBUTES,
            **(fifo if queue.endswith(".fifo") else {}),
        )

    def count(self, url: str, state: str = "") -> int:
        name = f"ApproximateNumberOfMessages{state}"
        read = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(read["Attributes"][name])


async def operator(stack: Stack, name: str, *words: str) -> None:
    """Run `python -m <name> dead-letters …` with the policy of the service's operators."""
    log = stack.settings.state / f"{uuid.uuid4()}.log"
    environment = {**os.environ, **stack.environment_of(f"{name}-operator")}
    process = ForkedProcess([name, "dead-letters", *words], environment, log)
    assert await asyncio.to_thread(process.wait, 60) == 0, log.read_text()


@pytest.mark.parametrize("name", event_sourced_names())
async def test_messages_are_returned_and_rejected_and_dead_letters_resent(
    stack: Stack, name: str
) -> None:
    queues = Queues(client("sqs", stack.settings.aws_url), stack.settings.stack, name)
    service = await stack.service(name).start().ready()
    for queue in QUEUES[name]:
        queues.send(queue, "not JSON")
        queues.send(queue, json.dumps({"type": "OfANewerVersion", "eventType": "Bounce"} | UNKNOWN))

    async def rejected() -> bool:
        return all(queues.count(queues.dead(queue)) for queue in QUEUES[name])

    async def returned() -> bool:
        assert stack.proxy is not None
        changed = Permission("sqs:ChangeMessageVisibility", "*")
        seen = {
            each.resource.rpartition(":")[2]
            for principal, each in stack.proxy.used
            if principal == name and changed.covers(each)
        }
        return {f"{queues.stack}-{name}-{queue}" for queue in QUEUES[name]} <= seen

    await eventually(rejected)
    await eventually(returned)
    service.stop()
    await operator(stack, name, "list")
    await operator(stack, name, "resend", "--all")
    service = await service.start().ready()
    await eventually(rejected)
    service.stop()
    await operator(stack, name, "discard", "--all", "--yes")
    for queue in QUEUES[name]:
        assert queues.count(queues.dead(queue)) == 0
        queues.sqs.purge_queue(QueueUrl=queues.url(queue))


UNKNOWN: Final = {
    "mail": {"messageId": "of-no-invitation", "timestamp": "2026-01-01T00:00:00Z"},
    "bounce": {"feedbackId": "f-1"},
}
"""The rest of a report about a mail that the invites service does not know."""


async def test_what_has_become_due_is_settled(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reservation and an invitation have expired while no service was running."""
    member, invite = uuid.uuid4().hex, uuid.uuid4().hex
    for name in ("referrals", "invites"):
        stack.service(name).stop()
    async with in_process(stack, "referrals", monkeypatch) as service:
        service.clock.days_ago = 30
        await service.execute(OpenAccount(member_id=member, email=f"{member}@example.com"))
        opened = (await service.application.store.load(f"member-{member}")).events
        code = next(event.code for event in opened if event.type == "CodeIssued")
        await service.execute(
            ReserveReferral(member_id=member, code=code, invited_user=f"{invite}@example.org")
        )
        referrals = service.application.store
        async with in_process(stack, "invites", monkeypatch) as other:
            other.clock.days_ago = 30
            await other.execute(RegisterInviter(member_id=member, email=f"{member}@example.com"))
            await other.execute(
                RequestInvite(
                    invite_id=invite, inviter_id=member, email=f"{invite}@example.org",
                    address_key="ab" * 32,
                )
            )  # fmt: skip
            invites = other.application.store
            for name in ("referrals", "invites"):
                stack.service(name).start(TICK_SECONDS="0.5")

            async def settled() -> bool:
                ends = [
                    (await referrals.load(f"member-{member}")).events[-1].type,
                    (await invites.load(f"invite-{invite}")).events[-1].type,
                ]
                return ends == ["ReferralExpired", "InviteExpired"]

            await eventually(settled, seconds=60)


async def test_a_segment_that_is_missing_is_reported_as_missing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in stack.environment_of("compute").items():
        monkeypatch.setenv(variable, value)
    session = import_module("aioboto3").Session()
    async with session.client("s3") as s3:
        store = S3SegmentStore(stack.environment["SEGMENTS_BUCKET"], s3)
        with pytest.raises(ClientError, match="NoSuchKey"):
            await store.read("1/0x00/0-1-missing.npz")


async def test_the_difference_between_two_reports_is_stored(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    async with in_process(stack, "compute", monkeypatch) as compute:
        dynamodb = compute.application.resources.dynamodb
        table = DAO(reports_table(stack.settings.stack), client=dynamodb)
        for at in (now - 300, now - 100):
            bodies = {"report": report(at).model_dump_json().encode()}
            await VersionedStore(table).put(report_key(1, TOKEN), at, summary(at), bodies)
    gateway = await stack.service("gateway").start().ready()
    async with aiohttp.ClientSession() as session:
        alice = await Person(stack, gateway.url, session).sign_in()
        path = f"/v1/tokens/cluster/ethereum/{TOKEN}/diff?from={now - 300}&to={now}"

        async def compared() -> bool:
            status, _ = await alice.call("GET", path, "access")
            assert status in (200, 202)
            return bool(status == 200)

        await eventually(compared)
    gateway.stop()
