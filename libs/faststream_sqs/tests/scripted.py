"""A strict SQS for tests: AWS's limits enforced, every call recorded, faults on request.

`SQSModel` is the service; `InProcessSession` gives it to a broker without a socket, for
tests under virtual time, and `serve` gives it a loopback port that speaks JSON 1.0.
"""

import asyncio
import hashlib
import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from aiohttp import web
from botocore.exceptions import ClientError, ConnectionClosedError

MEBIBYTE = 1_048_576
ACCOUNT = "123456789012"
REGION = "eu-west-2"
TWELVE_HOURS = 43_200
FIVE_MINUTES = 300
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}\Z")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_GROUP_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}(\.fifo)?\Z|[A-Za-z0-9_-]{1,80}\Z")

Params = dict[str, Any]


class Refused(Exception):
    """An error answer of the service."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Reset(Exception):
    """The connection breaks instead of an answer."""


@dataclass(frozen=True)
class Call:
    """One recorded call."""

    operation: str
    params: Params
    at: float

    @property
    def queue(self) -> str:
        return str(self.params.get("QueueUrl", "")).rsplit("/", 1)[-1]

    @property
    def entries(self) -> list[Params]:
        return list(self.params.get("Entries", [self.params]))


@dataclass
class Fault:
    """What happens to the next matching calls."""

    operation: str
    times: int
    before: Callable[[Params], BaseException | None] = lambda _: None
    after: Callable[[Params], BaseException | None] = lambda _: None
    fail_entries: dict[int, tuple[str, bool]] = field(default_factory=dict)
    delay: float = 0.0
    gate: asyncio.Event | None = None


@dataclass(eq=False)
class Stored:
    """A message in a queue."""

    message_id: str
    body: str
    attributes: dict[str, Any]
    group: str | None
    dedup: str | None
    sequence: int
    sent_at: float
    visible_at: float
    receives: int = 0
    handle: str | None = None
    first_received_at: float | None = None
    received_at: float = 0.0
    source_arn: str | None = None
    """The queue that a redrive policy moved it from."""

    def in_flight(self, now: float) -> bool:
        return self.handle is not None and self.visible_at > now


class StoredQueue:
    """A queue and what is in it."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.messages: list[Stored] = []
        self.dedup: dict[str, tuple[float, str, int]] = {}
        self.attempts: dict[str, tuple[float, list[Stored]]] = {}
        self.changed = asyncio.Event()
        self.deleted = False

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    @property
    def visibility_timeout(self) -> int:
        return int(self.attributes.get("VisibilityTimeout", "30"))

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class SQSModel:
    """The service, in memory, on the running loop's clock.

    A batch with one bad entry is refused completely where AWS does that: entry ids, group and
    deduplication ids, ranges, the total size. Bodies, attributes, the size of one message and
    receipt handles are answered per entry.
    """

    def __init__(self, *, latency: float = 0.001, url: str = "http://sqs.test") -> None:
        self.url = url
        self.latency = latency
        self.queues: dict[str, StoredQueue] = {}
        self.calls: list[Call] = []
        self.end_polls = False
        self._faults: list[Fault] = []
        self._ids = count(1)
        self._watchers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    # ------------------------------------------------------------ for the tests

    def create(self, name: str, **attributes: object) -> str:
        """Create a queue with attributes by their official names; return its URL."""
        texts = {key: str(value) for key, value in attributes.items()}
        if name.endswith(".fifo"):
            texts.setdefault("FifoQueue", "true")
            texts.setdefault("ContentBasedDeduplication", "true")
        self.queues[name] = StoredQueue(name, texts)
        return self.url_of(name)

    def create_with_dead_letters(self, name: str, receives: int, **attributes: object) -> str:
        """Create a queue and its dead-letter queue, named `dead-…`."""
        self.create(f"dead-{name}")
        policy = {
            "deadLetterTargetArn": self.queues[f"dead-{name}"].arn,
            "maxReceiveCount": receives,
        }
        return self.create(name, RedrivePolicy=json.dumps(policy), **attributes)

    def drop_queue(self, name: str) -> None:
        queue = self.queues.pop(name)
        queue.deleted = True
        queue.wake()

    def url_of(self, name: str) -> str:
        return f"{self.url}/{ACCOUNT}/{name}"

    def bodies(self, name: str) -> list[str]:
        return [message.body for message in self.queues[name].messages]

    def in_flight(self, name: str) -> list[Stored]:
        now = _now()
        return [m for m in self.queues[name].messages if m.in_flight(now)]

    def visible(self, name: str) -> list[Stored]:
        now = _now()
        return [m for m in self.queues[name].messages if m.visible_at <= now]

    def put(self, name: str, body: str, group: str | None = None, **attributes: Any) -> Stored:
        """Put a message in without a call."""
        entry: Params = {"MessageBody": body, "MessageAttributes": attributes}
        if group is not None:
            entry |= {"MessageGroupId": group, "MessageDeduplicationId": f"put-{next(self._ids)}"}
        return self._store(self.queues[name], entry)

    def move(self, source: str, target: str) -> None:
        """Move every message as a redrive does: all that it has, under a new message id."""
        for message in tuple(self.queues[source].messages):
            self.queues[source].messages.remove(message)
            self.queues[target].messages.append(
                Stored(
                    message_id=str(UUID(int=next(self._ids), version=4)),
                    body=message.body,
                    attributes=message.attributes,
                    group=message.group,
                    dedup=message.dedup,
                    sequence=next(self._ids),
                    sent_at=_now(),
                    visible_at=_now(),
                )
            )
        self.queues[target].wake()

    def called(self, *operations: str, queue: str | None = None) -> list[Call]:
        return [
            call
            for call in self.calls
            if call.operation in operations and queue in (None, call.queue)
        ]

    def fail(self, operation: str, code: str, *, status: int = 400, times: int = 1) -> None:
        """Refuse the next calls."""
        self._faults.append(
            Fault(operation, times, before=lambda _: Refused(code, "scripted", status))
        )

    def reset(self, operation: str, *, times: int = 1) -> None:
        """Break the connection before the call has any effect."""
        self._faults.append(Fault(operation, times, before=lambda _: Reset()))

    def drop_reply(self, operation: str, *, times: int = 1) -> None:
        """Do what is asked and break the connection instead of answering."""
        self._faults.append(Fault(operation, times, after=lambda _: Reset()))

    def fail_entries(
        self,
        operation: str,
        *indices: int,
        sender_fault: bool = False,
        code: str = "",
        times: int = 1,
    ) -> None:
        """Refuse single entries of the next batch calls."""
        code = code or ("InvalidParameterValue" if sender_fault else "InternalError")
        chosen = dict.fromkeys(indices, (code, sender_fault))
        self._faults.append(Fault(operation, times, fail_entries=chosen))

    def slow(self, operation: str, seconds: float, *, times: int = 1) -> None:
        """Take a while for the next calls, before they have an effect."""
        self._faults.append(Fault(operation, times, delay=seconds))

    def hold(self, operation: str, *, times: int = 1) -> asyncio.Event:
        """Let the next calls wait for the returned event, before they have an effect."""
        gate = asyncio.Event()
        self._faults.append(Fault(operation, times, gate=gate))
        return gate

    def release_polls(self) -> None:
        """Answer every long poll at once, from now on."""
        self.end_polls = True
        for queue in self.queues.values():
            queue.wake()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true; it is looked at after every call."""
        if condition():
            return
        future = asyncio.get_running_loop().create_future()
        self._watchers.append((condition, future))
        await future

    def notify(self) -> None:
        """Look at what is waited for."""
        for watcher in tuple(self._watchers):
            condition, future = watcher
            if future.done() or condition():
                self._watchers.remove(watcher)
                if not future.done():
                    future.set_result(None)

    # ------------------------------------------------------------ the service

    async def handle(self, operation: str, params: Params) -> Params:
        """Answer one call.

        Raises:
            Refused: as AWS would.
            Reset: as the script says.
        """
        self.calls.append(Call(operation, params, _now()))
        self.notify()
        if self.latency:
            await asyncio.sleep(self.latency)
        fault = self._fault(operation)
        if fault is not None:
            if fault.gate is not None:
                await fault.gate.wait()
            if fault.delay:
                await asyncio.sleep(fault.delay)
            if error := fault.before(params):
                raise error
        handler = _HANDLERS.get(operation)
        if handler is None:
            raise Refused("InvalidAction", operation)
        chosen = fault.fail_entries if fault else {}
        reply: Params = await handler(self, params, chosen)
        self.notify()
        if fault is not None and (error := fault.after(params)):
            raise error
        return reply

    def _fault(self, operation: str) -> Fault | None:
        for fault in self._faults:
            if fault.operation == operation and fault.times:
                fault.times -= 1
                return fault
        return None

    def _queue(self, params: Params) -> StoredQueue:
        name = str(params.get("QueueUrl", "")).rsplit("/", 1)[-1]
        if name not in self.queues:
            raise Refused("QueueDoesNotExist", "The specified queue does not exist.")
        return self.queues[name]

    async def _create_queue(self, params: Params, _: Any) -> Params:
        name, wanted = params["QueueName"], params.get("Attributes") or {}
        if not _QUEUE_NAME.match(name) or len(name) > 80:
            raise Refused("InvalidParameterValue", "bad queue name")
        if name.endswith(".fifo") != (wanted.get("FifoQueue") == "true"):
            raise Refused("InvalidParameterValue", "FifoQueue and the name disagree")
        existing = self.queues.get(name)
        if existing is None:
            self.queues[name] = StoredQueue(name, dict(wanted))
        elif any(existing.attributes.get(key) != value for key, value in wanted.items()):
            raise Refused("QueueNameExists", "A queue already exists with the same name")
        return {"QueueUrl": self.url_of(name)}

    async def _delete_queue(self, params: Params, _: Any) -> Params:
        self.drop_queue(self._queue(params).name)
        return {}

    async def _get_queue_url(self, params: Params, _: Any) -> Params:
        if params["QueueName"] not in self.queues:
            raise Refused("QueueDoesNotExist", "The specified queue does not exist.")
        return {"QueueUrl": self.url_of(params["QueueName"])}

    async def _get_queue_attributes(self, params: Params, _: Any) -> Params:
        queue = self._queue(params)
        now = _now()
        hidden = sum(message.visible_at > now for message in queue.messages)
        known = {
            "VisibilityTimeout": "30",
            "DelaySeconds": "0",
            "QueueArn": queue.arn,
            "ApproximateNumberOfMessages": str(len(queue.messages) - hidden),
            "ApproximateNumberOfMessagesNotVisible": str(hidden),
        }
        if (asked := params.get("AttributeNames", ["All"])) != ["All"]:
            known = {name: known[name] for name in asked}
            return {"Attributes": known}
        return {"Attributes": known | queue.attributes}

    async def _send(self, params: Params, _: Any) -> Params:
        queue = self._queue(params)
        _check_message(queue, params)
        return _sent(self._store(queue, params))

    async def _send_batch(self, params: Params, failing: dict[int, tuple[str, bool]]) -> Params:
        queue = self._queue(params)
        entries = _check_batch(params)
        # AWS looks at these before any entry is sent, and refuses the complete call
        for entry in entries:
            _check_fifo_ids(queue, entry)
            _check_ranges(queue, entry)
        if sum(_size(entry) for entry in entries) > MEBIBYTE:
            raise Refused("BatchRequestTooLong")

        def send(entry: Params) -> Params:
            _check_message(queue, entry)
            return _sent(self._store(queue, entry))

        return _each(entries, failing, send)

    async def _delete(self, params: Params, _: Any) -> Params:
        self._remove(self._queue(params), params["ReceiptHandle"])
        return {}

    async def _delete_batch(self, params: Params, failing: dict[int, tuple[str, bool]]) -> Params:
        queue = self._queue(params)

        def delete(entry: Params) -> Params:
            self._remove(queue, entry["ReceiptHandle"])
            return {}

        return _each(_check_batch(params), failing, delete)

    async def _change(self, params: Params, _: Any) -> Params:
        self._extend(self._queue(params), params)
        return {}

    async def _change_batch(self, params: Params, failing: dict[int, tuple[str, bool]]) -> Params:
        queue = self._queue(params)

        def change(entry: Params) -> Params:
            self._extend(queue, entry)
            return {}

        return _each(_check_batch(params), failing, change)

    async def _receive(self, params: Params, _: Any) -> Params:
        queue = self._queue(params)
        wanted = params.get("MaxNumberOfMessages", 1)
        wait = params.get("WaitTimeSeconds", 0)
        timeout = params.get("VisibilityTimeout", queue.visibility_timeout)
        if not 1 <= wanted <= 10 or not 0 <= wait <= 20 or not 0 <= timeout <= TWELVE_HOURS:
            raise Refused("InvalidParameterValue", "receive out of range")
        attempt = params.get("ReceiveRequestAttemptId")
        if attempt is not None and not queue.fifo:
            raise Refused("InvalidParameterValue", "ReceiveRequestAttemptId is for FIFO queues")
        deadline = _now() + wait
        while True:
            taken = self._repeat(queue, attempt) or self._take(queue, wanted, timeout)
            if taken or self.end_polls or _now() >= deadline:
                break
            await _wait(queue, deadline)
            if queue.deleted:
                raise Refused("QueueDoesNotExist")
        if attempt is not None and taken:
            queue.attempts[attempt] = (_now(), taken)
        return {"Messages": [_received(message, params) for message in taken]} if taken else {}

    def _repeat(self, queue: StoredQueue, attempt: str | None) -> list[Stored]:
        at, taken = queue.attempts.get(attempt or "", (0.0, []))
        if _now() - at > FIVE_MINUTES:
            return []
        return [m for m in taken if m in queue.messages and m.in_flight(_now())]

    def _take(self, queue: StoredQueue, wanted: int, timeout: int) -> list[Stored]:
        now = _now()
        blocked: set[str | None] = {m.group for m in queue.messages if m.group and m.in_flight(now)}
        taken: list[Stored] = []
        for message in tuple(queue.messages):
            if len(taken) == wanted:
                break
            if queue.fifo and message.group in blocked:
                continue
            if message.visible_at > now:
                blocked.add(message.group)
                continue
            if self._redrive(queue, message):
                continue
            message.receives += 1
            message.handle = f"{message.message_id}#{next(self._ids)}"
            message.first_received_at = message.first_received_at or now
            message.received_at = now
            message.visible_at = now + timeout
            taken.append(message)
        return taken

    def _redrive(self, queue: StoredQueue, message: Stored) -> bool:
        policy = queue.attributes.get("RedrivePolicy")
        if not policy:
            return False
        redrive = json.loads(policy)
        if message.receives < int(redrive["maxReceiveCount"]):
            return False
        queue.messages.remove(message)
        message.handle = None
        message.source_arn = queue.arn
        target = self.queues[redrive["deadLetterTargetArn"].rsplit(":", 1)[-1]]
        target.messages.append(message)
        target.wake()
        return True

    def _store(self, queue: StoredQueue, entry: Params) -> Stored:
        now = _now()
        dedup = entry.get("MessageDeduplicationId")
        if queue.fifo and dedup is None:
            dedup = hashlib.sha256(entry["MessageBody"].encode()).hexdigest()
        if queue.fifo and dedup in queue.dedup:
            at, message_id, sequence = queue.dedup[dedup]
            if now - at < FIVE_MINUTES:
                return Stored(message_id, "", {}, None, dedup, sequence, at, now)
        delay = entry.get("DelaySeconds", int(queue.attributes.get("DelaySeconds", "0")))
        number = next(self._ids)
        message = Stored(
            message_id=str(UUID(int=number, version=4)),
            body=entry["MessageBody"],
            attributes=entry.get("MessageAttributes") or {},
            group=entry.get("MessageGroupId"),
            dedup=dedup if queue.fifo else None,
            sequence=number,
            sent_at=now,
            visible_at=now + delay,
        )
        queue.messages.append(message)
        if queue.fifo and dedup is not None:
            queue.dedup[dedup] = (now, message.message_id, number)
        queue.wake()
        return message

    def _find(self, queue: StoredQueue, handle: str) -> Stored | None:
        message_id, separator, _ = handle.partition("#")
        if not separator:
            raise Refused("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
        for message in queue.messages:
            if message.message_id == message_id:
                return message
        return None

    def _remove(self, queue: StoredQueue, handle: str) -> None:
        message = self._find(queue, handle)
        if message is None:
            return  # deleting twice is no error
        if message.handle != handle:
            if queue.fifo:
                raise Refused("InvalidParameterValue", "The receipt handle has expired")
            return  # accepted, and the message stays
        if queue.fifo and not message.in_flight(_now()):
            raise Refused("InvalidParameterValue", "The receipt handle has expired")
        queue.messages.remove(message)
        queue.wake()

    def _extend(self, queue: StoredQueue, entry: Params) -> None:
        timeout = entry["VisibilityTimeout"]
        if not 0 <= timeout <= TWELVE_HOURS:
            raise Refused("InvalidParameterValue", "VisibilityTimeout out of range")
        message, now = self._find(queue, entry["ReceiptHandle"]), _now()
        if message is None or message.handle != entry["ReceiptHandle"]:
            raise Refused("InvalidParameterValue", "The receipt handle has expired")
        if not message.in_flight(now):
            raise Refused("MessageNotInflight")
        if now + timeout - message.received_at > TWELVE_HOURS:
            raise Refused("InvalidParameterValue", "Total VisibilityTimeout beyond 12 hours")
        message.visible_at = now + timeout
        queue.wake()


async def _wait(queue: StoredQueue, deadline: float) -> None:
    now = _now()
    coming = [m.visible_at for m in queue.messages if m.visible_at > now]
    try:
        async with asyncio.timeout_at(min([deadline, *coming])):
            await queue.changed.wait()
    except TimeoutError:
        pass


def _each(
    entries: Iterable[Params],
    failing: dict[int, tuple[str, bool]],
    work: Callable[[Params], Params],
) -> Params:
    reply: Params = {"Successful": [], "Failed": []}
    for index, entry in enumerate(entries):
        code, message, fault = "", "", True
        if index in failing:
            code, fault = failing[index]
        else:
            try:
                reply["Successful"].append({"Id": entry["Id"], **work(entry)})
            except Refused as refused:
                code, message = refused.code, refused.message
        if code:
            reply["Failed"].append(
                {"Id": entry["Id"], "Code": code, "Message": message, "SenderFault": fault}
            )
    return {key: value for key, value in reply.items() if value}


def _check_batch(params: Params) -> list[Params]:
    entries: list[Params] = params["Entries"]
    ids = [entry["Id"] for entry in entries]
    if not entries:
        raise Refused("EmptyBatchRequest")
    if len(entries) > 10:
        raise Refused("TooManyEntriesInBatchRequest")
    if len(set(ids)) != len(ids):
        raise Refused("BatchEntryIdsNotDistinct")
    if not all(_ENTRY_ID.match(entry_id) for entry_id in ids):
        raise Refused("InvalidBatchEntryId")
    return entries


def _check_message(queue: StoredQueue, entry: Params) -> None:
    body, attributes = entry["MessageBody"], entry.get("MessageAttributes") or {}
    if not body:
        raise Refused("MissingParameter", "The request must contain the parameter MessageBody.")
    if _UNSPEAKABLE.search(body):
        raise Refused("InvalidMessageContents")
    limit = int(queue.attributes.get("MaximumMessageSize", MEBIBYTE))
    if _size(entry) > limit:
        raise Refused("InvalidParameterValue", f"Message must be shorter than {limit} bytes.")
    if len(attributes) > 10:
        raise Refused("InvalidParameterValue", "Number of message attributes exceeds 10")
    for name, attribute in attributes.items():
        _check_attribute(name, attribute)
    _check_fifo_ids(queue, entry)
    _check_ranges(queue, entry)


def _check_attribute(name: str, attribute: Params) -> None:
    if not _ATTRIBUTE_NAME.match(name) or name.lower().startswith(("aws.", "amazon.")):
        raise Refused("InvalidParameterValue", f"attribute name {name}")
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise Refused("InvalidParameterValue", f"attribute name {name}")
    binary = attribute["DataType"].startswith("Binary")
    value = attribute.get("BinaryValue" if binary else "StringValue")
    if not value:
        raise Refused("InvalidParameterValue", f"attribute {name} has no value")
    if not binary and _UNSPEAKABLE.search(value):
        raise Refused("InvalidMessageContents")
    if attribute["DataType"].startswith("Number"):
        float(value)


def _check_fifo_ids(queue: StoredQueue, entry: Params) -> None:
    """Refuse a message of a FIFO queue without a group, or without a deduplication id."""
    if not queue.fifo:
        return
    if entry.get("MessageGroupId") is None:
        raise Refused("InvalidParameterValue", "The request must contain MessageGroupId.")
    if (
        entry.get("MessageDeduplicationId") is None
        and queue.attributes.get("ContentBasedDeduplication") != "true"
    ):
        raise Refused("InvalidParameterValue", "no MessageDeduplicationId")


def _check_ranges(queue: StoredQueue, entry: Params) -> None:
    group, dedup = entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")
    delay = entry.get("DelaySeconds")
    for value in (group, dedup):
        if value is not None and not (isinstance(value, str) and _GROUP_ID.match(value)):
            raise Refused("InvalidParameterValue", f"bad id {value!r}")
    if delay is not None and not isinstance(delay, int):
        raise Refused("SerializationException", "DelaySeconds")
    if delay is not None and (queue.fifo or not 0 <= delay <= 900):
        raise Refused("InvalidParameterValue", "DelaySeconds")
    if dedup is not None and not queue.fifo:
        raise Refused("InvalidParameterValue", "MessageDeduplicationId is for FIFO queues")


def _size(entry: Params) -> int:
    size = len(entry["MessageBody"].encode())
    for name, attribute in (entry.get("MessageAttributes") or {}).items():
        value = attribute.get("StringValue", "").encode() or attribute.get("BinaryValue", b"")
        size += len(name.encode()) + len(attribute["DataType"]) + len(value)
    return size


def _sent(message: Stored) -> Params:
    reply: Params = {"MessageId": message.message_id, "MD5OfMessageBody": "unchecked"}
    if message.dedup is not None:
        reply["SequenceNumber"] = f"{message.sequence:020}"
    return reply


def _received(message: Stored, params: Params) -> Params:
    system = {
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(int((message.first_received_at or 0) * 1000)),
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "MessageGroupId": message.group,
        "MessageDeduplicationId": message.dedup,
        "SequenceNumber": f"{message.sequence:020}" if message.dedup else None,
        "DeadLetterQueueSourceArn": message.source_arn,
    }
    asked = params.get("MessageSystemAttributeNames") or []
    item: Params = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "Attributes": {k: v for k, v in system.items() if v is not None and k in asked},
    }
    if message.attributes and params.get("MessageAttributeNames") == ["All"]:
        item["MessageAttributes"] = message.attributes
    return item


def _now() -> float:
    return asyncio.get_running_loop().time()


_HANDLERS: dict[str, Any] = {
    "CreateQueue": SQSModel._create_queue,
    "DeleteQueue": SQSModel._delete_queue,
    "GetQueueUrl": SQSModel._get_queue_url,
    "GetQueueAttributes": SQSModel._get_queue_attributes,
    "SendMessage": SQSModel._send,
    "SendMessageBatch": SQSModel._send_batch,
    "ReceiveMessage": SQSModel._receive,
    "DeleteMessage": SQSModel._delete,
    "DeleteMessageBatch": SQSModel._delete_batch,
    "ChangeMessageVisibility": SQSModel._change,
    "ChangeMessageVisibilityBatch": SQSModel._change_batch,
}
_QUERY_CODES = {"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue"}


# ---------------------------------------------------------------- without a socket


class InProcessSession:
    """Passes for an aiobotocore session; its clients call the model directly."""

    def __init__(self, model: SQSModel) -> None:
        self.model = model
        self.open_clients = 0

    @asynccontextmanager
    async def create_client(self, service: str, **_: Any) -> AsyncIterator["InProcessClient"]:
        assert service == "sqs"
        self.open_clients += 1
        try:
            yield InProcessClient(self.model)
        finally:
            self.open_clients -= 1


class InProcessClient:
    """Passes for an aiobotocore client."""

    def __init__(self, model: SQSModel) -> None:
        self._model = model

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = "".join(part.capitalize() for part in method.split("_"))

        async def call(**params: Any) -> Params:
            await asyncio.sleep(0)
            try:
                return await self._model.handle(operation, params)
            except Refused as refused:
                raise _client_error(refused, operation) from None
            except Reset:
                raise ConnectionClosedError(endpoint_url=self._model.url) from None

        return call


def _client_error(refused: Refused, operation: str) -> ClientError:
    code = _QUERY_CODES.get(refused.code, refused.code)
    return ClientError(
        {
            "Error": {"Code": code, "Message": refused.message},
            "ResponseMetadata": {"HTTPStatusCode": refused.status},
        },
        operation,
    )


# ---------------------------------------------------------------- with a socket


@asynccontextmanager
async def serve(model: SQSModel) -> AsyncIterator[SQSModel]:
    """Serve the model on a free loopback port; its URL is in `model.url`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        params = _decode(json.loads(await request.read()))
        try:
            reply = await model.handle(operation, params)
        except Refused as refused:
            return web.json_response(
                {"__type": f"com.amazonaws.sqs#{refused.code}", "message": refused.message},
                status=refused.status,
                content_type="application/x-amz-json-1.0",
                headers={
                    "x-amzn-query-error": (f"{_QUERY_CODES.get(refused.code, refused.code)};Sender")
                },
            )
        except Reset:
            assert request.transport is not None
            request.transport.abort()
            raise
        return web.Response(
            text=json.dumps(_encode(reply)), content_type="application/x-amz-json-1.0"
        )

    app = web.Application(client_max_size=4 * MEBIBYTE)
    app.router.add_post("/", answer)
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    model.url = f"http://127.0.0.1:{port}"
    try:
        yield model
    finally:
        await runner.cleanup()


def _decode(params: Params) -> Params:
    for entry in (params, *params.get("Entries", ())):
        for attribute in (entry.get("MessageAttributes") or {}).values():
            if "BinaryValue" in attribute:
                attribute["BinaryValue"] = b64decode(attribute["BinaryValue"])
    return params


def _encode(reply: Params) -> Params:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return b64encode(value).decode()
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value

    encoded: Params = plain(reply)
    return encoded
