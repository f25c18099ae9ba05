"""Count what one command costs: requests to DynamoDB and SQS, write units, Redis round trips.

`make bench` runs the referrals service in this process, on a local AWS and a separate Redis, and
counts every request that leaves it. Counts are the same on any machine; no time is measured. The
first broken bound ends the run. The last tables say what a million commands, reads and mails cost;
`STORE=1` stores the counts that docs/aws.md and its test are computed from.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aioboto3
import structlog
from aiobotocore.session import AioSession
from redis.asyncio import Connection

from benchmarks import prices
from benchmarks.bounds import Bound, check_bounds
from benchmarks.costs import COUNTS, stored_counts, tables
from benchmarks.keys import INVITES_KEY, REFERRALS_KEY
from chassis.bus.commands import CommandSender, IncomingCommand
from chassis.bus.outcomes import OutcomeListener, Outcomes
from chassis.bus.reactions import reaction
from chassis.decide.decider import Decider
from chassis.run.assembly import assemble, subscribe
from chassis.run.resources import (
    ACK_LINGER_SECONDS,
    SEND_LINGER_SECONDS,
    Resources,
    stores_in,
)
from chassis.run.service import Application, Handlers
from chassis.views.read_models import ReadModels
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.invites import RegisterInviter, SendInvite
from contracts.messages import Command, Metadata
from contracts.referrals import ACCOUNTS, OpenAccount
from deploy.local.provision import CREDENTIALS, deploy
from deploy.local.settings import REGION, LocalSettings
from faststream_sqs import SQSBroker
from gateway import clients as gateway_clients
from invites.app import INVITES, make_handlers
from invites.sending_rate import SendingRate
from invites.settings import Settings as InvitesSettings
from redis_batching.connection import connect
from referrals.app import REFERRALS
from referrals.handlers import commands_for
from referrals.settings import Settings
from tests.invites.inbox import Inbox
from tests.support.eventually import eventually
from tests.support.stack import local_aws, local_settings, redis_server

COMMANDS = 2_000
WRITERS = 100
"""Requests that wait at the gateway at the same time."""
ALONE = 50
"""Commands that arrive one after the other."""
MAILS = 500
INVITATIONS = 10
"""Invitations of one inviter."""
TOLERANCE = 0.25
"""Share by which the stored counts of requests that are sent in batches may differ."""
CALLS_PER_MESSAGE = 0.35
ROUND_TRIPS = 2

App = Application[Any, Any, Any, Any]
Rows = Mapping[str, object]
Units = dict[str, float]


@dataclass
class Counts:
    """Count everything that leaves this process."""

    requests: Counter[str] = field(default_factory=Counter)
    write_units: float = 0.0
    round_trips: int = 0

    def reset(self) -> None:
        self.requests.clear()
        self.write_units, self.round_trips = 0.0, 0

    def session(self) -> AioSession:
        """Return a session that counts the requests of its clients when they are sent."""
        session = AioSession()
        session.set_credentials(*CREDENTIALS.values())
        session.set_config_variable("region", REGION)
        session.register("before-send", self._sent)
        session.register("provide-client-params.dynamodb.PutItem", _request_units)
        session.register("provide-client-params.dynamodb.TransactWriteItems", _request_units)
        session.register("after-call.dynamodb", self._received)
        return session

    def units(self, each: int = 1) -> Units:
        """Return what DynamoDB charges for, divided by a number of commands.

        A query of a short stream is one read unit.
        """
        reads = self.requests["Query"] + self.requests["GetItem"]
        return {
            "write units": round(self.write_units / each, 2),
            "read units": round(reads / each, 2),
        }

    def queue_requests(self, *, fifo: bool) -> int:
        """Return the requests to queues; those to standard queues have another price."""
        feedback = sum(n for name, n in self.requests.items() if name.endswith(" feedback"))
        named = sum(n for name, n in self.requests.items() if " " in name)
        return named - feedback if fifo else feedback

    def rows(self, **more: object) -> Rows:
        return {**dict(sorted(self.requests.items())), **more}

    def _sent(self, request: Any, **_: Any) -> None:
        target = request.headers["X-Amz-Target"]
        target = target.decode() if isinstance(target, bytes) else target
        queue = json.loads(request.body).get("QueueUrl", "").rpartition("-")[2]
        self.requests[f"{target.rpartition('.')[2]} {queue.removesuffix('.fifo')}".strip()] += 1

    def _received(self, parsed: dict[str, Any], **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        for row in consumed if isinstance(consumed, list) else [consumed]:
            self.write_units += row["CapacityUnits"]


def _request_units(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return params | {"ReturnConsumedCapacity": "TOTAL"}


class CountingWriter:
    """Count each write to the socket as one round trip, however many commands it contains."""

    def __init__(self, writer: Any, counts: Counts) -> None:
        self._writer, self._counts = writer, counts

    def write(self, data: bytes) -> None:
        self._counts.round_trips += 1
        self._writer.write(data)

    def writelines(self, lines: Any) -> None:
        self.write(b"".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


def counting_redis(url: str, counts: Counts) -> Any:
    class CountingConnection(Connection):
        async def _connect(self) -> None:
            await super()._connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            self._writer: Any = CountingWriter(self._writer, counts)

    return connect(url, connection_class=CountingConnection)


async def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        settings = local_settings(Path(folder))
        with local_aws(settings), redis_server(settings):
            deploy(settings.aws_url, settings.stack, settings.gateway_url)
            return await measure(settings)


def silence() -> None:
    """Suppress the log lines of the service, so that the counts are the only output."""
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)


async def measure(settings: LocalSettings) -> int:
    silence()
    counts = Counts()
    session = counts.session()
    redis = counting_redis(settings.redis_url, counts)
    broker = bus(settings, session)
    boto = aioboto3.Session(botocore_session=session)
    async with boto.client("dynamodb", endpoint_url=settings.aws_url) as dynamodb:
        resources = Resources(redis, broker, stores_in(dynamodb, settings.stack), dynamodb)
        service = Settings(
            stack=settings.stack, redis_url=settings.redis_url, referrals_key=REFERRALS_KEY
        )
        app = assemble(REFERRALS, service, resources)
        subscribe(app, Handlers(on_event=reaction(app.handler, commands_for)))
        await ReadModelWatcher(app.rebuilder.projector).rebuild_needed()
        counted = {}
        claimed, unclaimed = await one_command(app, counts)
        counted["reads of a profile, a board or a list"] = await one_read(app, counts)
        batched, code = await under_load(settings, app, counts, session)
        alone = await one_after_the_other(settings, app, counts, session)
        counted["commands, under load"] = unclaimed | {"FIFO requests": batched}
        counted["commands, one at a time"] = unclaimed | {"FIFO requests": alone}
        counted["new accounts, under load"] = claimed | {"FIFO requests": batched}
        counted["invitations by mail, under load"] = await invitations(settings, resources, counts)
    await redis.aclose()
    return max(code, compare(counted))


def bus(
    settings: LocalSettings, session: AioSession, send_linger: float = SEND_LINGER_SECONDS
) -> SQSBroker:
    return SQSBroker(
        endpoint_url=settings.aws_url,
        session=session,
        send_linger=send_linger,
        ack_linger=ACK_LINGER_SECONDS,
        reject="dlq",
        logger=None,
    )


async def one_command(app: App, counts: Counts) -> tuple[Units, Units]:
    """Count append, project and outcome of a command, without the bus.

    Returns:
        The units of a command that claims a name, and of one that does not.
    """
    decider = REFERRALS.decider_for(app.settings)
    await _single(app, counts, decider, "a command that claims a code")
    claimed = counts.units()
    unclaimed = replace(decider, claims=lambda _event: ())
    await _single(app, counts, unclaimed, "a command without a claim, as most are")
    require(counts.requests == {"Query": 1, "PutItem": 1}, "one Query, one PutItem")
    require(counts.write_units == 1, "one write unit")
    return claimed, counts.units()


async def one_read(app: App, counts: Counts) -> Units:
    """Count the requests to AWS of a read: the gateway reads from Redis alone."""
    counts.reset()
    await ReadModels(app.resources.redis).view(ACCOUNTS, f"member-{member()}")
    require(not counts.requests, "a read sends nothing to AWS")
    return counts.units()


async def _single(app: App, counts: Counts, decider: Decider[Any, Any, Any], what: str) -> None:
    assembled = assemble(replace(REFERRALS, decider=decider), app.settings, app.resources).handler
    handler = replace(assembled, announcer=replace(assembled.announcer, subscribers={}))
    await handler.handle(delivery(member()))  # open connections and load scripts
    command = delivery(member())
    counts.reset()
    await handler.handle(command)
    await handler.handle(replace(command, redelivered=True))
    again = dict(counts.requests), counts.round_trips
    counts.reset()
    outcome = await handler.handle(delivery(member()))
    require(outcome.state == "accepted", "accepted")
    require(0 < counts.round_trips <= ROUND_TRIPS, "two round trips to Redis at most")
    require(
        again[0] == dict(counts.requests),
        "a redelivery with a stored outcome sends nothing to DynamoDB",
    )
    table(
        f"append + project + outcome of {what}",
        counts.rows(**{"write units": counts.write_units, "Redis round trips": counts.round_trips}),
    )


async def under_load(
    settings: LocalSettings, app: App, counts: Counts, session: AioSession
) -> tuple[float, int]:
    """Count the requests to SQS under load; return those for each command, and the exit code."""
    await over_the_bus(settings, app, counts, session, commands=COMMANDS, writers=WRITERS)
    return _report_load(counts)


async def one_after_the_other(
    settings: LocalSettings, app: App, counts: Counts, session: AioSession
) -> float:
    """Return the requests to SQS for each command, if each arrives alone."""
    await over_the_bus(settings, app, counts, session, commands=ALONE, writers=1)
    return round(sum(n for k, n in counts.requests.items() if k.endswith(" commands")) / ALONE, 1)


async def over_the_bus(
    settings: LocalSettings,
    app: App,
    counts: Counts,
    session: AioSession,
    *,
    commands: int,
    writers: int,
) -> None:
    """Send as the gateway does; handle and delete as the service does."""
    gateway = bus(settings, session, send_linger=gateway_clients.SEND_LINGER_SECONDS)
    sender = CommandSender(gateway, settings.stack)
    listener_redis = connect(settings.redis_url)
    listener = OutcomeListener(listener_redis, Outcomes(listener_redis))
    listening = asyncio.create_task(listener.run())
    await gateway.connect()
    await app.resources.broker.start()
    counts.reset()
    free = asyncio.Semaphore(writers)

    async def write() -> None:
        command, metadata = command_of(member())
        async with free:
            with listener.expect(metadata.command_id) as announced:
                await sender.send(command, metadata)
                outcome = await listener.wait(metadata.command_id, announced, seconds=60)
        require(outcome is not None and outcome.state == "accepted", "every command has an outcome")

    await asyncio.gather(*(write() for _ in range(commands)))
    await app.resources.broker.stop()
    await gateway.stop()
    listening.cancel()
    await listener_redis.aclose()


async def invitations(settings: LocalSettings, resources: Resources, counts: Counts) -> Units:
    """Count what invitations cost from the command to the result of the mail, without SES."""
    service = InvitesSettings(
        stack=settings.stack,
        redis_url=settings.redis_url,
        invites_key=INVITES_KEY,
        mail_quota_share=0,
        tick_seconds=3_600,
    )
    counts.reset()
    session, inbox = counts.session(), Inbox()
    broker = bus(settings, session)
    app = assemble(INVITES, service, replace(resources, broker=broker))
    handlers = make_handlers(app, inbox, SendingRate(app.resources.redis, 1e6))
    subscribe(app, handlers)
    await ReadModelWatcher(app.rebuilder.projector).rebuild_needed()
    inviters = [member() for _ in range(MAILS // INVITATIONS)]
    for inviter in inviters:
        register = RegisterInviter(member_id=inviter, email=f"{inviter}@example.com")
        await app.handler.handle(internal(register))
    await broker.start()
    counts.reset()
    sender, free = CommandSender(broker, settings.stack), asyncio.Semaphore(WRITERS)

    async def invite(inviter: str, number: int) -> None:
        command = SendInvite(inviter_id=inviter, email=f"{inviter[:8]}-{number}@example.org")
        async with free:
            await sender.send(command, internal(command).metadata)

    await asyncio.gather(*(invite(each, n) for n in range(INVITATIONS) for each in inviters))

    async def mailed() -> bool:
        return len(inbox.mails) == MAILS

    await eventually(mailed, seconds=300)
    await broker.stop()
    calls = round(counts.queue_requests(fifo=True) / MAILS, 1)
    return counts.units(MAILS) | {"FIFO requests": calls, "mails": len(inbox.mails) / MAILS}


def compare(counted: Mapping[str, Units]) -> int:
    """Print what the counted requests cost; return whether the stored counts differ."""
    print(f"\nCosts, list prices of {prices.REGION} as of {prices.AS_OF}\n\n{tables(counted)}")
    if "STORE" in os.environ:
        COUNTS.write_text(json.dumps(counted, indent=1) + "\n")
    return check_bounds(
        *(
            Bound(
                f"{kind}: {unit}",
                counted[kind][unit],
                least=number * (1 - TOLERANCE) - 0.05,
                most=number * (1 + TOLERANCE) + 0.05,
            )
            for kind, units in stored_counts().items()
            for unit, number in units.items()
        )
    )


def internal(command: Command) -> IncomingCommand[Any]:
    key = member()
    return IncomingCommand.internal(command, Metadata(command_id=key, correlation_id=key))


def _report_load(counts: Counts) -> tuple[float, int]:
    commands = {k: n for k, n in counts.requests.items() if k.endswith(" commands")}
    announced = sum(n for k, n in counts.requests.items() if k.endswith(" announcements"))
    per_message = sum(commands.values()) / COMMANDS
    table(
        f"SQS, {COMMANDS} commands, {WRITERS} at a time: send + receive + delete",
        {
            **{name: f"{n / COMMANDS:.3f} per command" for name, n in sorted(commands.items())},
            "together": f"{per_message:.3f} calls per message",
            "announcements, sent": f"{announced / COMMANDS:.3f} calls per message",
            "Redis": f"{counts.round_trips / COMMANDS:.3f} round trips per command",
        },
    )
    bound = Bound("SQS calls per command", per_message, most=CALLS_PER_MESSAGE)
    return round(per_message, 2), check_bounds(bound)


def command_of(subject: str) -> tuple[OpenAccount, Metadata]:
    command = OpenAccount(member_id=subject, email=f"{subject}@example.com")
    return command, Metadata(command_id=subject, correlation_id=subject, actor=subject)


def delivery(subject: str) -> IncomingCommand[Any]:
    command, metadata = command_of(subject)
    return IncomingCommand.internal(command, metadata)


def member() -> str:
    return str(uuid.uuid4())


def table(title: str, rows: Rows) -> None:
    print(f"\n{title}\n")
    for name, value in rows.items():
        print(f"  {name:<32}{value}")


def require(holds: bool, what: str) -> None:  # noqa: FBT001  reads as a sentence
    if not holds:
        sys.exit(f"\nBROKEN  {what}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
