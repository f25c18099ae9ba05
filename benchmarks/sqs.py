"""Measure what a message costs: `faststream_sqs` and a plain aiobotocore loop, on the same server.

    python benchmarks/sqs.py [--messages 10000]

The server stores messages in memory, in a separate process, so that the CPU time of this process is
the client's alone. Every run publishes, consumes and deletes all messages. The bounds are on the
CPU time as a share of the loop's, and on the calls per message, which are exact.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aws_json import JsonSession
from benchmarks.bounds import Bound, check_bounds
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

# ---------------------------------------------------------------- the server


class Store:
    """Store queues in memory, without limits and visibility timeouts."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[dict[str, Any]]] = {}
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self.in_flight: set[str] = set()
        self.calls: Counter[str] = Counter()
        self._ids = count()

    async def handle(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        self.calls[operation] += 1
        url = params.get("QueueUrl", "")
        if operation == "ReceiveMessage":
            return await self._take(url, params)
        return self._HANDLERS[operation](self, url, params)

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
        waiting = self.waiting.get(url)
        if waiting and not (future := waiting.popleft()).done():
            future.set_result(None)
        return message_id

    async def _take(self, url: str, params: dict[str, Any]) -> dict[str, Any]:
        queue = self.queues.setdefault(url, deque())
        if not queue:
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
    """Run the server; each message through the pipe requests the calls counted since the last."""

    async def main() -> None:
        store = Store()
        server = await asyncio.start_server(
            lambda reader, writer: serve_connection(store, reader, writer), "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, pipe.recv):
            left = len(store.in_flight) + sum(map(len, store.queues.values()))
            pipe.send((dict(store.calls), left))
            store.calls.clear()

    asyncio.run(main())


# ---------------------------------------------------------------- the clients


async def plain_loop(endpoint: str, messages: int) -> None:
    """Send, receive and delete messages one by one, in ten concurrent tasks."""
    config = AioConfig(max_pool_connections=20)
    async with get_session().create_client(
        "sqs", endpoint_url=endpoint, config=config, **CREDENTIALS
    ) as client:
        url = (await client.get_queue_url(QueueName="plain"))["QueueUrl"]
        body = json.dumps(PAYLOAD)
        numbers = iter(range(messages))

        async def work() -> None:
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

        await asyncio.gather(*(work() for _ in range(10)))


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


async def ours(endpoint: str, messages: int, publish: Publish, queue: str, **options: Any) -> None:
    """Publish with a broker and consume with 50 workers."""
    broker = SQSBroker(endpoint_url=endpoint, logger=None, **CREDENTIALS, **options)
    left = messages
    done = asyncio.Event()

    @broker.subscriber(queue, max_workers=50, wait_time_seconds=1)
    async def handle(_: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    await broker.start()
    await publish(broker, queue, messages)
    await done.wait()
    await broker.stop()


@dataclass(frozen=True)
class Row:
    """Hold the measurements of one run: a line of the table."""

    name: str
    cpu: float
    wall: float
    calls: Counter[str]
    messages: int

    @property
    def cpu_per_message(self) -> float:
        return self.cpu / self.messages * 1000

    @property
    def calls_per_message(self) -> float:
        counted = (n for name, n in self.calls.items() if not name.startswith("GetQueue"))
        return sum(counted) / self.messages


def measure(name: str, pipe: Connection, messages: int, run: Callable[[], Awaitable[None]]) -> Row:
    """Time one run, and check that the server has no message left."""

    async def timed() -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        await run()
        return time.process_time() - cpu, time.perf_counter() - wall

    cpu, wall = asyncio.run(timed())
    pipe.send(True)  # noqa: FBT003 - any message requests the counts
    calls, left = pipe.recv()
    assert left == 0, f"{name} left {left} messages"
    return Row(name, cpu, wall, Counter(calls), messages)


def report(rows: list[Row]) -> int:
    """Print the table and the bounds; return the exit code."""
    base = rows[0]
    print(f"{'':36}{'CPU ms/msg':>12}{'calls/msg':>12}{'msg/s':>10}{'CPU ratio':>12}")
    for row in rows:
        print(
            f"{row.name:36}{row.cpu_per_message:12.3f}{row.calls_per_message:12.3f}"
            f"{row.messages / row.wall:10.0f}{base.cpu_per_message / row.cpu_per_message:11.1f}x"
        )
    bounds = []
    for row in rows[1:]:
        cpu = row.cpu_per_message / base.cpu_per_message
        limit = MAX_CPU[row.name.rpartition(" ")[2]]
        bounds += [
            Bound(f"CPU / plain loop: {row.name}", cpu, most=limit),
            Bound(f"calls per message: {row.name}", row.calls_per_message, most=MAX_CALLS),
        ]
    return check_bounds(*bounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000)
    messages = parser.parse_args().messages
    context = multiprocessing.get_context("spawn")
    pipe, server_end = context.Pipe()
    server = context.Process(target=serve, args=(server_end,), daemon=True)
    server.start()
    endpoint = f"http://127.0.0.1:{pipe.recv()}"
    runs: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("plain aiobotocore loop", lambda: plain_loop(endpoint, messages))
    ]
    for client, session in (("aiobotocore", None), ("aws_json", JsonSession())):
        runs += [
            (
                f"publish x64, linger 0.002, {client}",
                partial(
                    ours, endpoint, messages, one_by_one, f"linger-{client}",
                    send_linger=0.002, session=session,
                ),
            ),
            (
                f"publish_batch of 100, {client}",
                partial(ours, endpoint, messages, by_batches, f"batch-{client}", session=session),
            ),
        ]  # fmt: skip
    rows = [measure(name, pipe, messages, run) for name, run in runs]
    server.terminate()
    server.join()
    return report(rows)


if __name__ == "__main__":
    sys.exit(main())
