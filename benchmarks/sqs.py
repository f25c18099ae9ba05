"""Measure what a message costs: `faststream_sqs` and a plain aiobotocore loop, on the same server.

    python benchmarks/sqs.py [--rounds 20] [--messages 300]

The server stores messages in memory, in a separate process, so that the CPU time of this process is
the client's alone. All clients are open; they take turns, in each of which one of them publishes,
consumes and deletes all messages of the turn. Opening a client is not measured. The bounds are on
the CPU time as a share of the loop's, the median of all rounds, and on the calls per message, which
are exact.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import statistics
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aws_json import JsonSession
from benchmarks.bounds import Bound, check_bounds
from benchmarks.paired import Ratios, turns
from chassis.run.gc_tuning import tune_gc
from faststream_sqs import SQSBroker

PAYLOAD = {"type": "measured", "who": "someone", "text": "x" * 120}
CREDENTIALS: dict[str, Any] = {
    "region_name": "eu-west-2",
    "aws_access_key_id": "123456789012",
    "aws_secret_access_key": "local",
}

MAX_CPU = {"aiobotocore": 0.3, "aws_json": 0.1}
"""Client -> limit of the CPU time per message, as a share of the plain loop's."""
MAX_CALLS = 0.31
"""Limit of calls to the server per message."""
RECEIVE_SECONDS = 20
"""Time that a receive waits: longer than the turns of the others, in which it gets no message."""
LOOP_SHARE = 4
"""The loop has a turn with a quarter of the messages, since one takes ten times as long."""

# ---------------------------------------------------------------- the server


class Store:
    """Store queues in memory, without limits and visibility timeouts."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[dict[str, Any]]] = {}
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self.in_flight: set[str] = set()
        self.calls: Counter[str] = Counter()
        """Queue -> calls."""
        self.drained = asyncio.Event()
        """Set while no queue has a message."""
        self.drained.set()
        self._closing = False
        self._ids = itertools.count()

    def close(self) -> None:
        """Let no receive wait any longer, so that its client can stop."""
        self._closing = True
        for future in itertools.chain(*self.waiting.values()):
            if not future.done():
                future.set_result(None)

    async def handle(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        url = params.get("QueueUrl", "")
        self.calls[url.rpartition("/")[2]] += 1
        if operation == "ReceiveMessage":
            return await self._take(url, params)
        reply = self._HANDLERS[operation](self, url, params)
        if self.in_flight or any(self.queues.values()):
            self.drained.clear()
        else:
            self.drained.set()
        return reply

    def _url(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"QueueUrl": f"http://127.0.0.1/0/{params['QueueName']}"}

    def _attributes(self, _: str, __: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"VisibilityTimeout": "30"}}

    def _send(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"MessageId": self._put(url, params)}

    def _send_batch(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
        sent = [{"Id": e["Id"], "MessageId": self._put(url, e)} for e in params["Entries"]]
        return {"Successful": sent}

    def _delete(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        self.in_flight.discard(params["ReceiptHandle"])
        return {}

    def _delete_batch(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        self.in_flight.difference_update(e["ReceiptHandle"] for e in params["Entries"])
        return {"Successful": [{"Id": e["Id"]} for e in params["Entries"]]}

    def _change_batch(self, _: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"Successful": [{"Id": e["Id"]} for e in params["Entries"]]}

    _HANDLERS: ClassVar[dict[str, Callable[..., dict[str, Any]]]] = {
        "GetQueueUrl": _url,
        "GetQueueAttributes": _attributes,
        "SendMessage": _send,
        "SendMessageBatch": _send_batch,
        "DeleteMessage": _delete,
        "DeleteMessageBatch": _delete_batch,
        "ChangeMessageVisibilityBatch": _change_batch,
    }

    def _put(self, url: str, entry: dict[str, Any]) -> str:
        message_id = f"00000000-0000-0000-0000-{next(self._ids):012}"
        self.queues.setdefault(url, deque()).append(
            {
                "MessageId": message_id,
                "ReceiptHandle": f"{message_id}-handle",
                "Body": entry["MessageBody"],
                "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
                "MessageAttributes": entry.get("MessageAttributes", {}),
            }
        )
        waiting = self.waiting.get(url, deque())
        while waiting:
            if not (future := waiting.popleft()).done():
                future.set_result(None)
                break
        return message_id

    async def _take(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
        queue = self.queues.setdefault(url, deque())
        if not queue and not self._closing:
            future = asyncio.get_running_loop().create_future()
            self.waiting.setdefault(url, deque()).append(future)
            try:
                async with asyncio.timeout(params.get("WaitTimeSeconds", 0)):
                    await future
            except TimeoutError:
                return {}
        taken = [
            queue.popleft() for _ in range(min(len(queue), params.get("MaxNumberOfMessages", 1)))
        ]
        self.in_flight.update(message["ReceiptHandle"] for message in taken)
        return {"Messages": taken}


async def serve_connection(
    store: Store, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Respond to the requests of one connection; supports just enough HTTP for JSON 1.0."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            target = head.split(b"x-amz-target:")[1].split(b"\r\n")[0].split(b".")[1].decode()
            body = json.loads(await reader.readexactly(length))
            reply = json.dumps(await store.handle(_OPERATIONS[target.strip()], body)).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
                b"x-amzn-RequestId: 0\r\nContent-Length: %d\r\n\r\n%b" % (len(reply), reply)
            )
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


_OPERATIONS = {name.lower(): name for name in (*Store._HANDLERS, "ReceiveMessage")}  # noqa: SLF001 - the same file


def serve(pipe: Connection) -> None:
    """Run the server; each queue that is sent through the pipe requests the number of its calls.

    It is sent once no message is left. After an empty name no receive waits.
    """

    async def main() -> None:
        store = Store()
        server = await asyncio.start_server(
            lambda reader, writer: serve_connection(store, reader, writer), "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        while queue := await loop.run_in_executor(None, pipe.recv):
            await store.drained.wait()
            pipe.send(store.calls[queue])
        store.close()
        await server.serve_forever()

    asyncio.run(main())


# ---------------------------------------------------------------- the clients


Run = Callable[[int], Awaitable[None]]
"""Publishes and consumes a number of messages."""


@asynccontextmanager
async def plain_loop(endpoint: str, queue: str) -> AsyncIterator[Run]:
    """Send, receive and delete messages one by one, in ten concurrent tasks."""
    config = AioConfig(max_pool_connections=20)
    async with get_session().create_client(
        "sqs", endpoint_url=endpoint, config=config, **CREDENTIALS
    ) as client:
        url = (await client.get_queue_url(QueueName=queue))["QueueUrl"]
        body = json.dumps(PAYLOAD)

        async def work(numbers: Iterator[int]) -> None:
            for _ in numbers:
                await client.send_message(QueueUrl=url, MessageBody=body)
                reply = await client.receive_message(
                    QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=1
                )
                for message in reply["Messages"]:
                    json.loads(message["Body"])
                    await client.delete_message(
                        QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                    )

        async def run(messages: int) -> None:
            numbers = iter(range(messages))
            await asyncio.gather(*(work(numbers) for _ in range(10)))

        yield run


Publish = Callable[[SQSBroker, str, int], Awaitable[None]]


async def one_by_one(broker: SQSBroker, queue: str, messages: int) -> None:
    """Publish single messages in 64 concurrent tasks."""
    numbers = iter(range(messages))

    async def work() -> None:
        for _ in numbers:
            await broker.publish(PAYLOAD, queue)

    await asyncio.gather(*(work() for _ in range(64)))


async def by_batches(broker: SQSBroker, queue: str, messages: int) -> None:
    """Publish batches of a hundred messages."""
    for start in range(0, messages, 100):
        await broker.publish_batch(*[PAYLOAD] * min(100, messages - start), queue=queue)


@asynccontextmanager
async def ours(endpoint: str, queue: str, publish: Publish, **options: Any) -> AsyncIterator[Run]:
    """Publish with a broker and consume with 50 workers."""
    broker = SQSBroker(endpoint_url=endpoint, logger=None, **CREDENTIALS, **options)
    left = 0
    done = asyncio.Event()

    @broker.subscriber(queue, max_workers=50, wait_time_seconds=RECEIVE_SECONDS)
    async def handle(_: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    async def run(messages: int) -> None:
        nonlocal left
        left = messages
        done.clear()
        await publish(broker, queue, messages)
        await done.wait()

    await broker.start()
    yield run
    await broker.stop()


@dataclass
class Candidate:
    """Hold the measurements of one client: a line of the table."""

    name: str
    queue: str
    run: Run
    cpu: list[float] = field(default_factory=list)
    """Milliseconds per message, of each round."""
    rates: list[float] = field(default_factory=list)
    """Messages per second."""
    calls: list[float] = field(default_factory=list)
    """Calls per message."""

    async def measure(self, pipe: Connection, messages: int) -> None:
        """Measure one turn, until the server has no message left."""
        before = await self._calls(pipe)
        wall, cpu = time.perf_counter(), time.process_time()
        await self.run(messages)
        calls = await self._calls(pipe) - before
        self.cpu.append((time.process_time() - cpu) / messages * 1000)
        self.rates.append(messages / (time.perf_counter() - wall))
        self.calls.append(calls / messages)

    async def _calls(self, pipe: Connection) -> int:
        pipe.send(self.queue)
        return int(await asyncio.get_running_loop().run_in_executor(None, pipe.recv))

    def forget(self) -> None:
        for measured in (self.cpu, self.rates, self.calls):
            measured.clear()


def clients(endpoint: str) -> Iterator[tuple[str, str, AbstractAsyncContextManager[Run]]]:
    """Generate the name and queue of each client, and what opens it; the plain loop is first."""
    yield "plain aiobotocore loop", "plain", plain_loop(endpoint, "plain")
    for client, session in (("aiobotocore", None), ("aws_json", JsonSession())):
        queue = f"linger-{client}"
        opened = ours(endpoint, queue, one_by_one, send_linger=0.002, session=session)
        yield f"publish x64, linger 0.002, {client}", queue, opened
        queue = f"batch-{client}"
        opened = ours(endpoint, queue, by_batches, session=session)
        yield f"publish_batch of 100, {client}", queue, opened


async def measure(pipe: Connection, endpoint: str, rounds: int, messages: int) -> list[Candidate]:
    async with AsyncExitStack() as opened:
        candidates = [
            Candidate(name, queue, await opened.enter_async_context(client))
            for name, queue, client in clients(endpoint)
        ]
        for candidate in candidates:  # open connections
            await candidate.measure(pipe, messages)
            candidate.forget()
        tune_gc()
        for number in range(rounds):
            for candidate in turns(candidates, number):
                share = LOOP_SHARE if candidate is candidates[0] else 1
                await candidate.measure(pipe, messages // share)
        pipe.send("")
    return candidates


def report(candidates: Sequence[Candidate]) -> int:
    """Print the table and the bounds; return the exit code."""
    base = candidates[0]
    print(f"{'':36}{'CPU ms/msg':>12}{'calls/msg':>12}{'msg/s':>10}   CPU / plain loop")
    bounds = []
    for each in candidates:
        share, calls = Ratios.of(each.cpu, base.cpu), statistics.mean(each.calls)
        print(
            f"{each.name:36}{statistics.median(each.cpu):12.3f}{calls:12.3f}"
            f"{statistics.median(each.rates):10.0f}   {share}"
        )
        if each is not base:
            limit = MAX_CPU[each.name.rpartition(" ")[2]]
            bounds += [
                Bound(f"CPU / plain loop: {each.name}", share.median, most=limit),
                Bound(f"calls per message: {each.name}", calls, most=MAX_CALLS),
            ]
    return check_bounds(*bounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--messages", type=int, default=300, help="messages of each, per round")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pipe, server_end = context.Pipe()
    server = context.Process(target=serve, args=(server_end,), daemon=True)
    server.start()
    endpoint = f"http://127.0.0.1:{pipe.recv()}"
    candidates = asyncio.run(measure(pipe, endpoint, arguments.rounds, arguments.messages))
    server.terminate()
    server.join()
    return report(candidates)


if __name__ == "__main__":
    sys.exit(main())
