"""A refusal of any dependency delays commands: all are carried out, none is a dead letter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, CredentialRetrievalError
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from chassis.bus.commands import CommandSender
from chassis.log.event_store import MAX_COMMIT_BYTES
from chassis.log.memory import MemoryEventStore
from chassis.resilience.outages import OUTAGES
from chassis.run.assembly import assemble, subscribe
from chassis.run.health import Health
from chassis.run.resources import Resources, report_receive
from chassis.run.service import Application, Handlers, Service
from chassis.run.settings import ServiceSettings
from contracts.messages import Metadata
from faststream_sqs.exceptions import EntryFailedError
from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of
from redis_batching.connection import connect
from tests.chassis.events import (
    CODEC,
    COUNTER,
    Count,
    Counted,
    CounterCommand,
    CounterView,
    TakeName,
)
from tests.chassis.models import MODELS, fold_log, read, serve
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

COMMANDS = 5
QUEUE, DEAD = "test-counting-commands.fifo", "dead-test-counting-commands.fifo"
ANNOUNCED = "test-listener-announcements.fifo"


class CountingSettings(ServiceSettings):
    stack: str = "test"
    health_port: int = 0
    receive_wait_seconds: int = 1


COUNTING: Service[Any, Any, Any, Any] = Service(
    name="counting",
    settings=CountingSettings,
    commands=CounterCommand,
    decider=COUNTER,
    codec=CODEC,
    read_models=MODELS,
    subscribers=lambda: {Counted: ["listener"]},
)


@dataclass
class Refusals:
    """Refuse the calls of one dependency while an error is set."""

    error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class RefusingStore(MemoryEventStore[Any]):
    """An event store whose appends are refused."""

    refusals: Refusals

    async def append(self, *args: Any, **options: Any) -> Any:
        self.refusals.check()
        return await super().append(*args, **options)


@dataclass
class RefusingPublisher:
    """Publish announcements through a broker that refuses them."""

    broker: Any
    refusals: Refusals

    async def publish(self, message: Any = None, queue: str = "", **options: Any) -> Any:
        self.refusals.check()
        return await self.broker.publish(message, queue, **options)


def refuse_scripts(redis: Any, refusals: Refusals) -> None:
    """Refuse the scripts that write, as a Redis does that is full or a replica; reads succeed."""
    run, run_many = redis.execute_command, redis.execute_many

    def execute_command(*args: Any, **options: Any) -> Any:
        if refusals.error is not None and str(args[0]).upper() in {"EVALSHA", "EVAL", "SET"}:
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(refusals.error)
            return refused
        return run(*args, **options)

    async def execute_many(commands: Any) -> Any:
        refusals.check()
        return await run_many(commands)

    redis.execute_command, redis.execute_many = execute_command, execute_many


@dataclass
class Counting:
    """The running service, with one `Refusals` per dependency."""

    model: SQSModel
    broker: Any
    redis: Any
    store: RefusingStore
    application: Application[Any, Any, Any, Any]
    refusals: dict[str, Refusals] = field(default_factory=dict)

    async def send(self, command: Any) -> str:
        command_id = str(uuid4())
        metadata = Metadata(command_id=command_id, correlation_id=command_id)
        await CommandSender(self.broker, "test").send(command, metadata)
        return command_id

    async def outcomes(self, ids: list[str]) -> list[Any]:
        async def complete() -> Any:
            found = [await self.application.handler.outcomes.get(each) for each in ids]
            return None if None in found else found

        found: list[Any] = await eventually(complete)
        return found


@asynccontextmanager
async def counting(redis_url: str) -> AsyncIterator[Counting]:
    model = SQSModel()
    model.create_with_dead_letters(QUEUE, 100)
    model.create(ANNOUNCED)
    broker = broker_of(model, reject="dlq", on_receive=report_receive)
    redis = connect(redis_url)
    refusals = {name: Refusals() for name in ("redis", "dynamodb", "sqs")}
    store = RefusingStore(CODEC)
    store.refusals = refusals["dynamodb"]
    await serve(redis, counters=1, names=1)
    resources = Resources(
        redis, broker, lambda *_: store, publisher=RefusingPublisher(broker, refusals["sqs"])
    )
    application = assemble(COUNTING, CountingSettings(), resources)
    subscribe(application, Handlers())
    refuse_scripts(redis, refusals["redis"])
    await broker.start()
    try:
        yield Counting(model, broker, redis, store, application, refusals)
    finally:
        with OUTAGES.stop():
            await broker.stop()
        await redis.aclose()


def refused(code: str, *reasons: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": ""},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "TransactWriteItems" if reasons else "PutItem")


IN_SCRIPT = "Error running script (call to f_1): @user_script:1: @user_script: 1: -"
REFUSED: dict[str, tuple[str, Exception]] = {
    "OOM": ("redis", OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")),
    "MISCONF": ("redis", ResponseError("MISCONF Redis is configured to save RDB snapshots")),
    "NOREPLICAS": ("redis", ResponseError("NOREPLICAS Not enough good replicas to write.")),
    "READONLY": ("redis", ReadOnlyError("You can't write against a read only replica.")),
    "READONLY in 6.2": ("redis", ResponseError(f"{IN_SCRIPT}READONLY You can't write")),
    "OOM in 6.2": ("redis", ResponseError(f"{IN_SCRIPT}OOM command not allowed")),
    "MASTERDOWN": ("redis", MasterDownError("Link with MASTER is down")),
    "CLUSTERDOWN": ("redis", ClusterDownError("The cluster is down")),
    "NOPERM": ("redis", NoPermissionError("this user has no permissions to run 'evalsha'")),
    "connection": ("redis", RedisConnectionError("Connection closed by server.")),
    "throttled": ("dynamodb", refused("ProvisionedThroughputExceededException")),
    "throttled transaction": (
        "dynamodb",
        refused("TransactionCanceledException", "None", "ThrottlingError"),
    ),
    "expired credentials": ("dynamodb", refused("ExpiredTokenException")),
    "no credentials": ("dynamodb", CredentialRetrievalError(provider="c", error_msg="500")),
    "access denied": ("dynamodb", refused("AccessDeniedException")),
    "missing table": ("dynamodb", refused("ResourceNotFoundException")),
    "connect timeout": ("dynamodb", ConnectTimeoutError(endpoint_url="https://dynamodb")),
    "SQS throttles": ("sqs", refused("RequestThrottled")),
    "SQS entry": ("sqs", EntryFailedError("InternalError", "", sender_fault=False)),
    "KMS": ("sqs", EntryFailedError("KmsDisabled", "", sender_fault=True)),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refusal_delays_commands_and_loses_none(
    redis: Any,  # noqa: ARG001  empties the database
    redis_database: str,
    kind: str,
) -> None:
    dependency, error = REFUSED[kind]
    async with counting(redis_database) as service:
        service.refusals[dependency].error = error
        with capture_logs() as logs:
            ids = [await service.send(Count(counter=str(n), by=2)) for n in range(COMMANDS)]

            async def all_wait() -> bool:
                return sum(len(outage.waiting) for outage in OUTAGES.current) == COMMANDS

            await eventually(all_wait)
            (reason,) = (await Health({}).failing()).values()
            assert reason
            service.refusals[dependency].error = None
            outcomes = await service.outcomes(ids)

        assert {outcome.state for outcome in outcomes} == {"accepted"}
        for number in range(COMMANDS):
            stream = f"counter-{number}"
            assert (await service.store.load(stream)).head.version == 2
            assert await read(service.redis, stream) == await fold_log(service.store, stream)
        assert len(service.model.bodies(ANNOUNCED)) == 2 * COMMANDS
        assert service.model.bodies(DEAD) == []
        assert OUTAGES.current == []
        events = [line["event"] for line in logs if line["event"].startswith("outage")]
        assert events == ["outage_started", "outage_ended"]
        assert [line for line in logs if line["event"] == "message_returned"] == []


@pytest.mark.parametrize(
    ("code", "because"),
    [("AccessDenied", "AccessDenied"), ("QueueDoesNotExist", "NonExistentQueue")],
)
async def test_a_queue_that_cannot_be_received_from_is_named(
    redis: Any,  # noqa: ARG001  empties the database
    redis_database: str,
    code: str,
    because: str,
) -> None:
    async with counting(redis_database) as service:
        with capture_logs() as logs:
            service.model.fail("ReceiveMessage", code, times=2)

            async def named() -> str | None:
                return (await Health({}).failing()).get("sqs")

            reason: Any = await eventually(named)
            (outcome,) = await service.outcomes([await service.send(Count(counter="a"))])
    assert outcome.state == "accepted"
    assert because in reason
    assert OUTAGES.current == []
    outages = [line for line in logs if line["event"].startswith("outage")]
    assert [(line["event"], line["name"]) for line in outages] == [
        ("outage_started", "sqs"),
        ("outage_ended", "sqs"),
    ]
    assert outages[0]["log_level"] == "error"


async def test_a_command_whose_events_are_too_large_is_rejected_at_once(
    redis: Any,  # noqa: ARG001  empties the database
    redis_database: str,
) -> None:
    async with counting(redis_database) as service:
        too_large = TakeName(counter="a", name=_noise(MAX_COMMIT_BYTES * 2))
        ids = [await service.send(too_large), await service.send(Count(counter="a"))]
        large, after = await service.outcomes(ids)
        assert (large.state, large.rejection.code) == ("rejected", "too_large")
        assert large.rejection.kind == "invalid"
        assert after.state == "accepted"
        assert await read(service.redis, "counter-a") == CounterView(total=1, events=1)
        assert service.store.claims == {}
        assert service.model.bodies(DEAD) == []


@pytest.mark.slow
async def test_a_poison_command_is_moved_with_its_reason_after_five_failures(
    redis: Any,  # noqa: ARG001  empties the database
    redis_database: str,
) -> None:
    async with counting(redis_database) as service:
        service.refusals["dynamodb"].error = KeyError("a bug")
        await service.send(Count(counter="a"))

        async def dead() -> list[str]:
            return service.model.bodies(DEAD)

        await eventually(dead, seconds=90)  # pauses of 1, 2, 4 and 8 s, and polls
        (message,) = service.model.queues[DEAD].messages
        assert message.attributes["dead-letter-reason"]["StringValue"] == "KeyError: 'a bug'"
        assert message.attributes["dead-letter-source"]["StringValue"] == QUEUE


def _noise(size: int) -> str:
    """Return text that hardly compresses."""
    return "".join(uuid4().hex for _ in range(size // 32))
