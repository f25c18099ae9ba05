"""Count what one command costs: requests to DynamoDB and SQS, write units, Redis round trips.

`make bench` runs the referrals service in this process, on a local AWS and a separate Redis, and
counts every request that leaves it. Counts are the same on any machine; no time is measured. The
first broken bound ends the run.
"""

import asyncio
import json
import logging
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

from benchmarks.bounds import Bound, check_bounds
from benchmarks.keys import REFERRALS_KEY
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
from chassis.views.rebuild.watch import ReadModelWatcher
from contracts.messages import Metadata
from contracts.referrals import OpenAccount
from deploy.local.provision import CREDENTIALS, deploy
from deploy.local.settings import REGION, LocalSettings
from faststream_sqs import SQSBroker
from gateway import clients as gateway_clients
from redis_batching.connection import connect
from referrals.app import REFERRALS
from referrals.handlers import commands_for
from referrals.settings import Settings
from tests.support.stack import local_aws, local_settings, redis_server

COMMANDS = 2_000
WRITERS = 100
"""Requests that wait at the gateway at the same time."""
CALLS_PER_MESSAGE = 0.35
ROUND_TRIPS = 2

App = Application[Any, Any, Any, Any]
Rows = Mapping[str, object]


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
        await one_command(app, counts)
        code = await under_load(settings, app, counts, session)
    await redis.aclose()
    return code


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


async def one_command(app: App, counts: Counts) -> None:
    """Count append, project and outcome of a command, without the bus."""
    decider = REFERRALS.decider_for(app.settings)
    await _single(app, counts, decider, "a command that claims a code")
    unclaimed = replace(decider, claims=lambda _event: ())
    await _single(app, counts, unclaimed, "a command without a claim, as most are")
    require(counts.requests == {"Query": 1, "PutItem": 1}, "one Query, one PutItem")
    require(counts.write_units == 1, "one write unit")


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


async def under_load(settings: LocalSettings, app: App, counts: Counts, session: AioSession) -> int:
    """Send over the bus as the gateway does; handle and delete as the service does."""
    gateway = bus(settings, session, send_linger=gateway_clients.SEND_LINGER_SECONDS)
    sender = CommandSender(gateway, settings.stack)
    listener_redis = connect(settings.redis_url)
    listener = OutcomeListener(listener_redis, Outcomes(listener_redis))
    listening = asyncio.create_task(listener.run())
    await gateway.connect()
    await app.resources.broker.start()
    counts.reset()
    free = asyncio.Semaphore(WRITERS)

    async def write() -> None:
        command, metadata = command_of(member())
        async with free:
            with listener.expect(metadata.command_id) as announced:
                await sender.send(command, metadata)
                outcome = await listener.wait(metadata.command_id, announced, seconds=60)
        require(outcome is not None and outcome.state == "accepted", "every command has an outcome")

    await asyncio.gather(*(write() for _ in range(COMMANDS)))
    await app.resources.broker.stop()
    await gateway.stop()
    listening.cancel()
    await listener_redis.aclose()
    return _report_load(counts)


def _report_load(counts: Counts) -> int:
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
    return check_bounds(Bound("SQS calls per command", per_message, most=CALLS_PER_MESSAGE))


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
