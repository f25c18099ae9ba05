"""Count what invitations in bulk cost: SES calls per invitation, SQS calls per message, memory.

`make bench-invites` runs the invites service in this process, on a local AWS and a separate
Redis. `INVITES=1000` is a shorter run. Counts are the same on any machine; no time is measured.
"""

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import urllib.request
import uuid
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aioboto3
import psutil

from benchmarks.bounds import Bound, check_bounds
from benchmarks.command_costs import Counts, bus, require, silence, table
from chassis.bus.commands import IncomingCommand
from chassis.run.assembly import assemble, subscribe
from chassis.run.resources import Resources, stores_in
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.invites import InviteRow, RegisterInviter, SendInvites
from contracts.messages import Command, Metadata
from deploy.local.provision import deploy, service_environment
from deploy.local.settings import LocalSettings
from invites.app import INVITES as SERVICE
from invites.settings import Settings
from redis_batching.connection import connect
from tests.support.stack import local_aws, local_settings, redis_server

INVITES = int(os.environ.get("INVITES", "10000"))
ROWS = 200
MESSAGES = 2
"""Messages of one invitation: `InviteAdmitted` and `InviteRequested`."""
CALLS_PER_MESSAGE = 0.35
OBSERVER = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
SAMPLE = 10 * ROWS
"""Invitations between two measurements of memory."""
MAX_GROWTH = 32
"""MiB from the first measurement to the last; memory stays constant once caches are full."""


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            names = deploy(settings.aws_url, settings.stack, settings.gateway_url)
            environment = service_environment(
                settings.aws_url, settings.stack, settings.redis_url, names
            )
            os.environ.update(environment)
            return await measure(settings)


async def measure(settings: LocalSettings) -> int:
    silence()
    counts = Counts()
    session = counts.session()
    redis = connect(settings.redis_url)
    broker = bus(settings, session)
    boto = aioboto3.Session(botocore_session=session)
    async with (
        AsyncExitStack() as stack,
        boto.client("dynamodb", endpoint_url=settings.aws_url) as dynamodb,
    ):
        service = Settings(mail_rate=1e6, mail_quota_share=0, max_workers=64, tick_seconds=3_600)
        resources = Resources(redis, broker, stores_in(dynamodb, settings.stack), dynamodb)
        app = assemble(SERVICE, service, resources)
        await ReadModelWatcher(app.rebuilder.projector).rebuild_needed()
        handlers = await stack.enter_async_context(SERVICE.compose(app))
        subscribe(app, handlers)
        work = [asyncio.create_task(each()) for each in handlers.background]
        await broker.start()
        counts.reset()
        memory = []
        for first in range(0, INVITES, SAMPLE):
            size = min(SAMPLE, INVITES - first)
            await asyncio.gather(*(bulk(app, ROWS) for _ in range(size // ROWS)))
            await wait_for_mails(settings, first + size)
            memory.append(psutil.Process().memory_info().rss // 2**20)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await broker.stop()
    await redis.aclose()
    sent = await asyncio.get_running_loop().run_in_executor(OBSERVER, mails, settings)
    OBSERVER.shutdown()
    return report(counts, sent, memory)


async def bulk(app: Any, rows: int) -> None:
    inviter = uuid.uuid4().hex
    await do(app, RegisterInviter(member_id=inviter, email=f"{inviter}@example.com"))
    people = tuple(
        InviteRow(email=f"{inviter}-{number}@example.org", row=number) for number in range(rows)
    )
    await do(app, SendInvites(inviter_id=inviter, job_id=uuid.uuid4().hex, rows=people))


async def do(app: Any, command: Command) -> None:
    metadata = Metadata(command_id=uuid.uuid4().hex, correlation_id="bench")
    incoming = IncomingCommand.internal(command, metadata)
    outcome = await app.handler.handle(incoming)
    require(outcome.state == "accepted", "every command is accepted")


async def wait_for_mails(settings: LocalSettings, count: int) -> None:
    """Wait in another process, since each look loads the complete inbox into memory."""
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(OBSERVER, mails, settings) < count:  # noqa: ASYNC110  only polling shows it
        await asyncio.sleep(1)


def mails(settings: LocalSettings) -> int:
    url = f"{settings.aws_url}/_ministack/ses/messages"
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310  the local AWS
        return _count(json.load(response))


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 if "MessageId" in value else sum(map(_count, value.values()))
    return sum(map(_count, value)) if isinstance(value, list) else 0


def report(counts: Counts, sent: int, memory: list[int]) -> int:
    per_message = counts.calls(MESSAGES * INVITES, " announcements")
    table(
        f"{INVITES} invitations, {ROWS} at a time: for each of them",
        {
            "SES calls per invitation": f"{sent / INVITES:.3f}",
            **counts.average_rows(INVITES),
            "SQS together": f"{per_message:.3f} calls per message",
            "DynamoDB": f"{counts.write / INVITES:.2f} write units per invitation",
            "memory, MiB": " ".join(map(str, memory)),
        },
    )
    return check_bounds(
        Bound("SES calls per invitation", sent / INVITES, least=1, most=1),
        Bound("SQS calls per message", per_message, most=CALLS_PER_MESSAGE),
        Bound(f"MiB of memory, last - after {SAMPLE}", memory[-1] - memory[0], most=MAX_GROWTH),
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
