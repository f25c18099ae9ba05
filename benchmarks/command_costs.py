"""Count what one command costs: requests to DynamoDB and SQS, write units, Redis round trips.

`make bench` runs the referrals service in this process, on a local AWS and a separate Redis, and
counts every request that leaves it; then the invites service, which handles what the first part has
announced to it, and sends invitations. Units of DynamoDB are exact and the same on any machine; how
many messages share a request to SQS varies a little with its speed. No time is measured. A receive
that finds nothing is not counted: docs/aws.md counts polls by the hour. The last tables say what a
million commands, reads and mails cost; `STORE=1` stores the counts that docs/aws.md and its test
are computed from.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
from benchmarks.request_units import RequestUnits
from chassis.bus.command_counts import COMMANDS as COMMAND_COUNTS
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
from invites.app import FEEDBACK_QUEUE, INVITES, make_handlers
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
EXACT, TOLERANCE = 0.01, 0.3
"""Shares by which counts may differ from the stored ones: of units, of requests sent in batches."""
CALLS_PER_MESSAGE = 0.35
ROUND_TRIPS = 2
PATIENCE_SECONDS = 500

App = Application[Any, Any, Any, Any]
Rows = Mapping[str, object]
Units = dict[str, float]

_QUEUE, _ENTRIES = "queue of the request", "entries of the request"
_ON_MESSAGES = frozenset({"SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch"})
"""Requests that follow from messages; the others are sent once per process, or by the clock."""


@dataclass
class Counts(RequestUnits):
    """Count everything that leaves this process because of a command."""

    requests: Counter[str] = field(default_factory=Counter)
    """Operation, and of SQS the queue -> answered requests."""
    messages: Counter[str] = field(default_factory=Counter)
    """The same -> messages in these requests."""
    round_trips: int = 0

    def reset(self) -> None:
        self.requests.clear()
        self.messages.clear()
        self.read, self.write, self.round_trips = 0.0, 0.0, 0

    def session(self) -> AioSession:
        """Return a session that counts the requests of its clients when they are answered."""
        session = AioSession()
        session.set_credentials(*CREDENTIALS.values())
        session.set_config_variable("region", REGION)
        self.watch(session)
        session.register("after-call.dynamodb", self._of_tables)
        session.register("before-parameter-build.sqs", _note_queue)
        session.register("after-call.sqs", self._of_queues)
        return session

    def units(self, each: int = 1) -> Units:
        """Return what DynamoDB charges for, divided by a number of commands."""
        require(not self.partial, "every request returns all that it reads")
        return {
            "write units": round(self.write / each, 2),
            "read units": round(self.read / each, 2),
        }

    def calls(self, each: int, *queues: str) -> float:
        """Return the requests to queues whose names end in one of these, divided by a number."""
        return sum(n for k, n in self.requests.items() if k.endswith(queues)) / each

    def rows(self, **more: object) -> Rows:
        return {**dict(sorted(self.requests.items())), **more}

    def average_rows(self, each: int, commands: Mapping[str, int] | None = None) -> Rows:
        """Return commands and requests, divided by a number, and how many messages share one."""
        counted = {**(commands or {}), **dict(sorted(self.requests.items()))}
        shared = {
            k: f", {n / self.requests[k]:.1f} messages each" for k, n in self.messages.items()
        }
        return {name: f"{n / each:.3f}{shared.get(name, '')}" for name, n in counted.items()}

    def _of_tables(self, model: Any, **_: Any) -> None:
        self.requests[model.name] += 1

    def _of_queues(self, parsed: dict[str, Any], model: Any, context: Any, **_: Any) -> None:
        received = model.name == "ReceiveMessage"
        messages = len(parsed.get("Messages") or ()) if received else context[_ENTRIES]
        if model.name in _ON_MESSAGES and messages:
            name = f"{model.name} {context[_QUEUE]}"
            self.requests[name] += 1
            self.messages[name] += messages


def _note_queue(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    parts = params.get("QueueUrl", "").removesuffix(".fifo").rsplit("-", 2)
    context[_QUEUE], context[_ENTRIES] = " ".join(parts[-2:]), len(params.get("Entries", ()))


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
        batched, announced, code = await under_load(settings, app, counts, session)
        alone = await one_after_the_other(settings, app, counts, session)
        counted["commands, under load"] = unclaimed | {"FIFO requests": batched}
        counted["commands, one at a time"] = unclaimed | {"FIFO requests": alone}
        invites = await Invites.start(settings, resources, counts)
        sent: Units = {"FIFO requests": batched + announced}
        reactions = await new_members(invites, COMMANDS + ALONE)
        counted["new accounts, under load"] = added(claimed, sent, reactions)
        counted["invitations by mail, under load"] = await invitations(invites)
    await redis.aclose()
    return max(code, compare(counted))


def added(*parts: Units) -> Units:
    names = dict.fromkeys(name for each in parts for name in each)
    return {name: round(sum(each.get(name, 0.0) for each in parts), 2) for name in names}


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
    require(counts.write == 1, "one write unit")
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
        counts.rows(**{"write units": counts.write, "Redis round trips": counts.round_trips}),
    )


async def under_load(
    settings: LocalSettings, app: App, counts: Counts, session: AioSession
) -> tuple[float, float, int]:
    """Count the requests to SQS under load.

    Returns:
        Those for each command, those that announce its event, and the exit code.
    """
    await over_the_bus(settings, app, counts, session, commands=COMMANDS, writers=WRITERS)
    return _report_load(counts)


async def one_after_the_other(
    settings: LocalSettings, app: App, counts: Counts, session: AioSession
) -> float:
    """Return the requests to SQS for each command, if each arrives alone."""
    await over_the_bus(settings, app, counts, session, commands=ALONE, writers=1)
    return round(counts.calls(ALONE, " commands"), 1)


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


@dataclass
class Invites:
    """Run the invites service in this process, with an inbox in place of SES, step by step."""

    app: App
    broker: SQSBroker
    inbox: Inbox
    counts: Counts

    @classmethod
    async def start(
        cls, settings: LocalSettings, resources: Resources, counts: Counts
    ) -> "Invites":
        service = InvitesSettings(
            stack=settings.stack,
            redis_url=settings.redis_url,
            invites_key=INVITES_KEY,
            mail_quota_share=0,
        )
        broker, inbox = bus(settings, counts.session()), Inbox()
        app = assemble(INVITES, service, replace(resources, broker=broker))
        subscribe(app, make_handlers(app, inbox, SendingRate(app.resources.redis, 1e6)))
        await ReadModelWatcher(app.rebuilder.projector).rebuild_needed()
        return cls(app, broker, inbox, counts)

    async def handle(
        self,
        title: str,
        number: int,
        commands: Iterable[str],
        send: Callable[[], Awaitable[object]] | None = None,
    ) -> Units:
        """Count what is requested until each of these commands was handled `number` times.

        No other command may be handled meanwhile: its requests would be counted as well.
        """
        before, expected = handled(), Counter(dict.fromkeys(commands, number))

        async def done() -> bool:
            return not expected - (handled() - before)

        self.counts.reset()
        await self.broker.start()
        if send is not None:
            await send()
        await eventually(done, seconds=PATIENCE_SECONDS)
        await self.broker.stop()
        counted = handled() - before
        require(counted.keys() == expected.keys(), f"only {set(expected)}, not {set(counted)}")
        table(f"{number} {title}", self.counts.average_rows(number, counted))
        return self.counts.units(number) | {
            "FIFO requests": round(self.counts.calls(number, " commands", " announcements"), 2),
            "standard requests": round(self.counts.calls(number, " feedback"), 2),
        }


def handled() -> Counter[str]:
    """Return the commands that this process has handled: type -> number."""
    found: Counter[str] = Counter()
    for (command, _result), durations in COMMAND_COUNTS.durations.rows.items():
        found[str(command)] += sum(durations.counts)
    return found


async def new_members(invites: Invites, accounts: int) -> Units:
    """Count how the invites service reacts to the accounts that have been opened before."""
    commands = ["RegisterInviter", "SuppressAddress"]
    return await invites.handle("new accounts in the invites service", accounts, commands)


async def invitations(invites: Invites) -> Units:
    """Count what invitations cost from the command to the report that the mail was delivered."""
    inviters = [member() for _ in range(MAILS // INVITATIONS)]
    for inviter in inviters:
        register = RegisterInviter(member_id=inviter, email=f"{inviter}@example.com")
        await invites.app.handler.handle(internal(register))
    broker, stack = invites.broker, invites.app.settings.stack
    sender, free = CommandSender(broker, stack), asyncio.Semaphore(WRITERS)

    async def invite(inviter: str, number: int) -> None:
        command = SendInvite(inviter_id=inviter, email=f"{inviter[:8]}-{number}@example.org")
        async with free:
            await sender.send(command, internal(command).metadata)

    async def invite_all() -> None:
        await asyncio.gather(*(invite(each, n) for n in range(INVITATIONS) for each in inviters))

    commands = ["SendInvite", "RequestInvite", "StartSending", "RecordSent"]
    sent = await invites.handle("invitations", MAILS, commands, invite_all)
    require(len(invites.inbox.mails) == MAILS, "one mail for each invitation")
    await report_deliveries(invites)
    reported = await invites.handle("reports of a delivery", MAILS, ["RecordFeedback"])
    return added(sent, reported, {"mails": 1.0})


async def report_deliveries(invites: Invites) -> None:
    """Report the delivery of each mail as SES does through SNS, which sends them one by one."""
    queue = f"{invites.app.settings.stack}-{INVITES.name}-{FEEDBACK_QUEUE}"
    await invites.broker.connect()
    bodies = [delivery_report(n, tags) for n, tags in enumerate(invites.inbox.tags)]
    await invites.broker.publish_batch(*bodies, queue=queue)


def delivery_report(number: int, tags: Mapping[str, str]) -> bytes:
    at = "2026-11-24T12:00:00.000Z"
    mail = {"messageId": f"m-{number}", "timestamp": at, "tags": {k: [v] for k, v in tags.items()}}
    report = {"eventType": "Delivery", "mail": mail, "delivery": {"timestamp": at}}
    return json.dumps({"Type": "Notification", "Message": json.dumps(report)}).encode()


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
                least=number * (1 - share) - 0.01,
                most=number * (1 + share) + 0.01,
            )
            for kind, units in stored_counts().items()
            for unit, number in units.items()
            for share in [TOLERANCE if unit.endswith("requests") else EXACT]
        )
    )


def internal(command: Command) -> IncomingCommand[Any]:
    key = member()
    return IncomingCommand.internal(command, Metadata(command_id=key, correlation_id=key))


def _report_load(counts: Counts) -> tuple[float, float, int]:
    per_message = counts.calls(COMMANDS, " commands")
    table(
        f"{COMMANDS} commands, {WRITERS} at a time: for each of them",
        {
            **counts.average_rows(COMMANDS),
            "SQS, send + receive + delete": f"{per_message:.3f}",
            "Redis round trips": f"{counts.round_trips / COMMANDS:.3f}",
        },
    )
    bound = Bound("SQS calls per command", per_message, most=CALLS_PER_MESSAGE)
    announced = counts.calls(COMMANDS, " announcements")
    return round(per_message, 2), round(announced, 2), check_bounds(bound)


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
        print(f"  {name:<48}{value}")


def require(holds: bool, what: str) -> None:  # noqa: FBT001  reads as a sentence
    if not holds:
        sys.exit(f"\nBROKEN  {what}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
