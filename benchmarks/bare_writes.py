"""Run the bare loop with which `benchmarks/gateway_writes.py` compares the write path.

It is the simplest program with aiobotocore and redis-py: `BareSender` puts a message into a FIFO
queue and waits for its outcome. The consumer receives up to ten messages, and for all of them
concurrently loads the stream, appends a commit, projects it and publishes the outcome; then it
deletes the ten in one call. In the meantime it receives the next ten.

Every request but those to SQS is recorded from the referrals service itself, once, and repeated
under another name for each message: the same Query, the same transaction of commit and claim, the
same scripts on the same read models in the same two round trips. Nothing is validated,
decided, folded, logged, announced to other services or made safe against a crash.

`python benchmarks/bare_writes.py` consumes until SIGTERM.
"""

import asyncio
import contextlib
import json
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from redis.asyncio import Redis

from benchmarks.keys import REFERRALS_KEY
from chassis.bus.commands import (
    BODY_HASH,
    COMMAND_ID,
    IncomingCommand,
    commands_queue,
    message_headers,
)
from chassis.bus.outcomes import CHANNEL, STORE
from chassis.run.assembly import assemble
from chassis.run.resources import Resources, stores_in
from chassis.views.change import APPLY
from chassis.views.keys import control_key
from contracts.messages import Metadata
from contracts.referrals import OpenAccount
from faststream_sqs.coalescer import Coalescer
from faststream_sqs.wire import CONTENT_TYPE, CORRELATION_ID, encode_headers
from referrals.app import REFERRALS
from referrals.settings import Settings

STACK = "bare"
SAMPLE = "5a3b1e00-0000-4000-8000-000000000001"
BATCHES = 8
"""Batches of ten messages handled at a time: slightly more than the service has workers."""
CONNECTIONS = 64
BARE_CHANNEL = f"{STACK}-{CHANNEL}"


def command_of(member: str) -> tuple[OpenAccount, Metadata]:
    """Return the command that the gateway sends for a person's `POST /v1/me`."""
    command = OpenAccount(member_id=member, email=f"{member[-8:]}@example.com", network="127.0.0.1")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    return command, Metadata(
        command_id=member, correlation_id=member[-12:], actor=member, traceparent=trace
    )


def client(service: str) -> Any:
    """Create a client; endpoint, region and credentials come from botocore's variables (AWS_…)."""
    return get_session().create_client(service, config=AioConfig(max_pool_connections=CONNECTIONS))


# Requests of the service


@dataclass
class Recorder:
    """Replace DynamoDB, Redis and the bus, and record the requests to them."""

    query_request: dict[str, Any] = field(default_factory=dict)
    written: dict[str, Any] = field(default_factory=dict)
    projected: list[tuple[Any, ...]] = field(default_factory=list)
    outcome: list[Any] = field(default_factory=list)

    async def query(self, **request: Any) -> dict[str, Any]:
        self.query_request = request
        return {"Items": []}

    async def transact_write_items(self, **request: Any) -> None:
        self.written = request

    async def execute_many(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        self.projected = commands
        control = {model.name.encode(): b"1.%d" % model.version for model in REFERRALS.read_models}
        return [control, *(b"applied" for _ in commands[1:])]

    async def evalsha(self, _sha: str, _keys: int, *arguments: Any) -> Any:
        self.outcome = [*arguments]
        return arguments[1]

    async def publish(self, *_: Any, **__: Any) -> None:
        """Ignore events for other services: the bare loop announces none."""


@dataclass(frozen=True)
class Requests:
    """Hold the requests of one command, whose member and code are replaced for other commands."""

    query: str
    write: str
    projection: str
    outcome: str
    code: str

    @classmethod
    async def record(cls) -> "Requests":
        recorder: Any = Recorder()
        resources = Resources(recorder, recorder, stores_in(recorder, STACK), recorder)
        handler = assemble(
            REFERRALS, Settings(stack=STACK, referrals_key=REFERRALS_KEY), resources
        ).handler
        handler.projector.service = STACK  # separate read models, in the same Redis
        command, metadata = command_of(SAMPLE)
        await handler.handle(IncomingCommand.internal(command, metadata))
        claim = recorder.written["TransactItems"][1]["Put"]["Item"]["k"]["S"]
        assert len(recorder.projected) == 1 + len(REFERRALS.read_models)
        return cls(
            query=json.dumps(recorder.query_request),
            write=json.dumps(recorder.written),
            projection=json.dumps(recorder.projected, default=bytes.decode),
            outcome=json.dumps(recorder.outcome, default=bytes.decode).replace(
                f'"{CHANNEL}"', f'"{BARE_CHANNEL}"'
            ),
            code=claim.rpartition("#")[2],
        )

    def of(self, request: str, member: str, code: str) -> Any:
        return json.loads(request.replace(SAMPLE, member).replace(self.code, code))


# The loop


@dataclass
class BareConsumer:
    """Handle the messages of the queue in batches."""

    sqs: Any
    dynamodb: Any
    redis: Any
    requests: Requests
    _free_batches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BATCHES))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        await self.redis.script_load(APPLY.text)
        self._outcome = self.redis.register_script(STORE.text)
        queue = commands_queue(STACK, REFERRALS.name)
        url = (await self.sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        while True:
            await self._free_batches.acquire()
            reply = await self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=5,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            task = asyncio.create_task(self._batch(url, reply.get("Messages", [])))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free_batches.release()
        task.result()

    async def _batch(self, url: str, messages: list[dict[str, Any]]) -> None:
        if not messages:
            return
        await asyncio.gather(*(self._handle(json.loads(m["Body"])) for m in messages))
        handles = [m["ReceiptHandle"] for m in messages]
        entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(handles)]
        await self.sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    async def _handle(self, command: dict[str, str]) -> None:
        requests, member = self.requests, command["memberId"]
        code = uuid.uuid4().hex[: len(requests.code)]
        history = await self.dynamodb.query(**requests.of(requests.query, member, code))
        assert not history["Items"]
        await self.dynamodb.transact_write_items(**requests.of(requests.write, member, code))
        pipe = self.redis.pipeline(transaction=False)
        for request in requests.of(requests.projection, member, code):
            pipe.execute_command(*request)
        await pipe.execute()
        key, *arguments = requests.of(requests.outcome, member, code)
        await self._outcome(keys=[key], args=arguments)


@dataclass
class BareSender:
    """Send commands and wait for their outcomes, in the process of the caller."""

    sqs: Any
    redis: Any
    url: str
    shared: Coalescer[Any, None] | None = None
    """If set, concurrent sends share a call, as those of the gateway do."""
    _waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    async def write(self, member: str) -> None:
        """Send a command and wait for its outcome."""
        command, metadata = command_of(member)
        headers = message_headers(metadata) | {
            COMMAND_ID: member,
            BODY_HASH: command.body_hash,
            CORRELATION_ID: metadata.correlation_id,
            CONTENT_TYPE: "application/json",
        }
        done = self._waiting[member] = asyncio.get_running_loop().create_future()
        entry = {
            "MessageBody": command.model_dump_json(),
            "MessageAttributes": encode_headers(headers),
            "MessageGroupId": command.stream,
            "MessageDeduplicationId": member,
        }
        if self.shared is None:
            await self.sqs.send_message(QueueUrl=self.url, **entry)
        else:
            await self.shared.submit(entry)
        await done

    async def send_together(self, entries: Sequence[Any]) -> list[None]:
        numbered = [{"Id": str(n), **entry} for n, entry in enumerate(entries)]
        reply = await self.sqs.send_message_batch(QueueUrl=self.url, Entries=numbered)
        assert len(reply["Successful"]) == len(entries)
        return [None] * len(entries)

    async def listen(self) -> None:
        async with self.redis.pubsub() as subscription:
            await subscription.subscribe(BARE_CHANNEL)
            async for message in subscription.listen():
                if message["type"] == "message":
                    outcome = json.loads(message["data"])
                    self._waiting.pop(outcome["commandId"]).set_result(None)


@contextlib.asynccontextmanager
async def bare_sender(redis_url: str, *, shared: bool = False) -> AsyncIterator[BareSender]:
    redis = Redis.from_url(redis_url)
    async with client("sqs") as sqs, contextlib.aclosing(redis):
        queue = commands_queue(STACK, REFERRALS.name)
        url = (await sqs.get_queue_url(QueueName=queue))["QueueUrl"]
        sender = BareSender(sqs, redis, url)
        if shared:
            sender.shared = Coalescer(sender.send_together, linger=0.005, serial=True)
        listening = asyncio.create_task(sender.listen())
        try:
            yield sender
        finally:
            listening.cancel()
            await asyncio.wait([listening])


async def main() -> None:
    redis = Redis.from_url(os.environ["REDIS_URL"])
    for model in REFERRALS.read_models:
        await redis.hset(control_key(STACK), model.name, f"1.{model.version}")
    async with client("sqs") as sqs, client("dynamodb") as dynamodb, contextlib.aclosing(redis):
        await BareConsumer(sqs, dynamodb, redis, await Requests.record()).run()


if __name__ == "__main__":
    uvloop.run(main())
