"""Subscribers: poll with credits, keep what was received, run it in order, settle, stop clean."""

import asyncio
import logging
from abc import abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from faststream._internal.endpoint.subscriber import SubscriberUsecase
from faststream._internal.endpoint.utils import process_msg

from chassis.sqs.client import backoff, is_missing_queue, is_transient
from chassis.sqs.message import Outcome, SQSBatchMessage, SQSMessage, SQSRawMessage
from chassis.sqs.parser import SQSBatchParser, SQSParser
from chassis.sqs.publisher.fake import SQSFakePublisher
from chassis.sqs.schemas import SQSQueue, queue_name
from chassis.sqs.subscriber.leases import LeaseKeeper
from chassis.sqs.subscriber.pool import Unit, WorkerPool
from chassis.sqs.subscriber.settlement import Settlement

if TYPE_CHECKING:
    from faststream._internal.endpoint.publisher import PublisherProto
    from faststream._internal.endpoint.subscriber import SubscriberSpecification
    from faststream._internal.endpoint.subscriber.call_item import CallsCollection
    from faststream.message import StreamMessage

    from chassis.sqs.broker.config import SQSBrokerConfig
    from chassis.sqs.subscriber.config import SQSSubscriberConfig

_SYSTEM_ATTRIBUTES = [
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SentTimestamp",
    "MessageGroupId",
    "MessageDeduplicationId",
    "SequenceNumber",
    "DeadLetterQueueSourceArn",
]
_SETTLED_WELL = frozenset({Outcome.DELETED})
_DEFAULT_VISIBILITY = 30
_LONGEST_BACKOFF = 30.0
_SHORT_POLL_PAUSE = 0.1
_LONGEST_POLL = 20


class SQSSubscriber(SubscriberUsecase[Any]):
    """What single and batch subscribers have in common."""

    _outer_config: "SQSBrokerConfig"
    batch = False

    def __init__(
        self,
        config: "SQSSubscriberConfig",
        specification: "SubscriberSpecification[Any, Any]",
        calls: "CallsCollection[Any]",
    ) -> None:
        self._config = config
        self._set_parser(config)
        super().__init__(config, specification, calls)
        self._stopping = asyncio.Event()
        self._pollers: set[asyncio.Task[None]] = set()
        self._receives: set[asyncio.Task[list[SQSRawMessage]]] = set()
        self._stop_task: asyncio.Task[None] | None = None
        self._held: dict[str, SQSRawMessage] = {}
        self._pulled: deque[SQSRawMessage] = deque()
        self._in_hand: list[SQSRawMessage] = []
        self._pool: WorkerPool | None = None
        self._leases: LeaseKeeper | None = None
        self._settlement: Settlement | None = None
        self._url = ""

    @abstractmethod
    def _set_parser(self, config: "SQSSubscriberConfig") -> None:
        """Give FastStream the parser and decoder of this kind of subscriber."""
        raise NotImplementedError

    @property
    def queue(self) -> SQSQueue:
        """The queue, with the prefixes of its routers."""
        return self._config.queue.with_prefix(self._outer_config.prefix)

    @property
    def queue_name(self) -> str:
        return queue_name(self.queue.name)

    # ---------------------------------------------------------------- start and stop

    async def start(self) -> None:
        """Start to poll; a queue that is missing is waited for, loudly."""
        await super().start()
        self._stopping = asyncio.Event()
        if not self._outer_config.in_memory:
            self._open()
        self._post_start()
        if self.calls and self._pool is not None:
            for _ in range(self._config.pollers):
                self._spawn(self._poll(self._pool))

    async def stop(self) -> None:
        """Stop within the graceful timeout and leave nothing in flight.

        What was received but not started is given back at once, polls under way are waited for
        and given back too, started handlers may finish and are then cancelled.
        """
        if self._stop_task is None:
            self.running = False
            self._stopping.set()
            # at once: the worker that asks for the stop must not take another message
            unstarted = self._pool.close() if self._pool is not None else []
            task = asyncio.get_running_loop().create_task(self._wind_up(unstarted))
            task.add_done_callback(self._stopped)
            self._stop_task = task
        if asyncio.current_task() not in self._own_tasks():
            await asyncio.shield(self._stop_task)

    def _stopped(self, task: "asyncio.Task[None]") -> None:
        self._stop_task = None
        if not task.cancelled() and (error := task.exception()):
            self._report(logging.ERROR, "the subscriber did not stop cleanly", error)

    def _own_tasks(self) -> "frozenset[asyncio.Task[Any]]":
        return frozenset(self._pollers) | (self._pool.tasks if self._pool else frozenset())

    def _open(self) -> None:
        connection = self._outer_config.connection
        config = self._config
        self._url = ""
        self._leases = LeaseKeeper(connection.change_visibility, self._lease_failed)
        self._leases.enabled = config.heartbeat
        self._settlement = Settlement(
            connection,
            self._leases,
            reject=self._outer_config.reject,
            retry_delay=config.retry_delay,
            log=self._report,
            forget=self._forget,
        )
        self._pool = WorkerPool(
            self._handle,
            self._give_back,
            workers=config.max_workers,
            prefetch=config.max_messages,
            unit_size=config.max_messages if self.batch else 1,
        )

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._pollers.add(task)
        task.add_done_callback(self._pollers.discard)

    async def _wind_up(self, unstarted: list[SQSRawMessage]) -> None:
        pool = self._pool
        if pool is None:
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._outer_config.graceful_timeout or 0.0)
        unstarted.extend(self._pulled)
        self._pulled.clear()
        await self._give_back(unstarted)
        await _finish({*self._pollers, *self._receives, *pool.tasks}, deadline - loop.time())
        await self._give_back(pool.unfinished())
        await self._outer_config.connection.flush()
        if self._leases is not None:
            await self._leases.close()
        self._held.clear()
        self._pool = None

    # ---------------------------------------------------------------- receiving

    async def _poll(self, pool: WorkerPool) -> None:
        pauses = backoff(1.0, _LONGEST_BACKOFF)
        attempt_id = uuid4().hex
        failing = False
        while not self._stopping.is_set() and (credit := await pool.reserve()):
            try:
                messages = await self._receive(credit, self._config.wait_time_seconds, attempt_id)
            except Exception as error:  # noqa: BLE001 - a poller outlives every error
                pool.unreserve(credit)
                self._receive_failed(error, first=not failing)
                failing = True
                if not is_transient(error):
                    attempt_id = uuid4().hex
                await self._pause(next(pauses))
                continue
            if failing:
                failing = False
                pauses = backoff(1.0, _LONGEST_BACKOFF)
                self._report(logging.INFO, f"receiving from {self.queue_name} again", None)
            attempt_id = uuid4().hex
            pool.unreserve(credit - len(messages))
            if self._stopping.is_set():
                pool.unreserve(len(messages))
                await self._give_back(messages)
            else:
                pool.admit(self._units(messages))

    async def _receive(
        self, count: int, wait: int, attempt_id: str | None = None
    ) -> list[SQSRawMessage]:
        """Receive once and hold what came."""
        if not self._url:
            await self._find_queue()
        connection = self._outer_config.connection
        options: dict[str, Any] = {}
        if self._config.visibility_timeout is not None:
            options["VisibilityTimeout"] = self._config.visibility_timeout
        if attempt_id is not None and self.queue.fifo:
            options["ReceiveRequestAttemptId"] = attempt_id
        received = await connection.client.receive(
            QueueUrl=self._url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait,
            MessageSystemAttributeNames=_SYSTEM_ATTRIBUTES,
            MessageAttributeNames=["All"],
            **options,
        )
        now = asyncio.get_running_loop().time()
        return [message for item in received if (message := self._hold(item, now))]

    async def _find_queue(self) -> None:
        queues = self._outer_config.connection.queues
        url = await queues.url(self.queue.name)
        timeout = self._config.visibility_timeout
        if timeout is None:
            timeout = await self._queue_timeout(url)
        if self._leases is not None:
            self._leases.timeout = timeout
        self._url = url

    async def _queue_timeout(self, url: str) -> int:
        try:
            attributes = await self._outer_config.connection.queues.attributes(url)
        except Exception as error:
            if is_missing_queue(error) or is_transient(error):
                raise
            # a role may receive without being allowed to look
            self._report(logging.WARNING, "visibility timeout unknown, 30 s assumed", error)
            return _DEFAULT_VISIBILITY
        return int(attributes.get("VisibilityTimeout", _DEFAULT_VISIBILITY))

    def _hold(self, item: dict[str, Any], now: float) -> SQSRawMessage | None:
        """Take a message in; one that we still hold only brings a newer handle."""
        message_id = item["MessageId"]
        if (known := self._held.get(message_id)) is not None:
            self._hold_again(known, item["ReceiptHandle"], now)
            return None
        message = SQSRawMessage(
            queue=self.queue_name,
            queue_url=self._url,
            message_id=message_id,
            receipt_handle=item["ReceiptHandle"],
            body=item.get("Body", ""),
            attributes=item.get("Attributes") or {},
            message_attributes=item.get("MessageAttributes") or {},
            settlement=self._settlement,
            received_at=now,
        )
        self._held[message_id] = message
        if self._leases is not None:
            self._leases.hold(message)
        return message

    def _hold_again(self, message: SQSRawMessage, handle: str, now: float) -> None:
        message.receipt_handle = handle
        message.received_at = now
        if message.outcome is Outcome.DELETED:
            if self._settlement is not None:
                self._settlement.delete_again(message)
            return
        message.outcome = None
        if self._leases is not None:
            self._leases.hold(message)

    def _units(self, messages: list[SQSRawMessage]) -> Iterable[tuple[str | None, Unit]]:
        fifo = self.queue.fifo
        return ((message.group_id if fifo else None, [message]) for message in messages)

    def _receive_failed(self, error: Exception, *, first: bool) -> None:
        if is_missing_queue(error):
            self._outer_config.connection.queues.forget(self.queue.name)
            self._url = ""
        if first:
            what = "does not exist" if is_missing_queue(error) else "cannot be received from"
            self._report(logging.ERROR, f"queue {self.queue_name} {what}, trying on", error)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    # ---------------------------------------------------------------- handling

    async def _handle(self, unit: Unit) -> bool:
        """Run one unit and say whether the next of its group may follow."""
        now = asyncio.get_running_loop().time()
        if any(message.outcome is not None or message.expires_at <= now for message in unit):
            # no longer ours: it is, or will be, handled where it was redelivered
            self._let_go(unit)
            return False
        await self.consume(unit if self.batch else unit[0])
        done = all(message.outcome in _SETTLED_WELL for message in unit)
        self._let_go(unit)
        return done

    def _let_go(self, messages: Sequence[SQSRawMessage]) -> None:
        """Keep no longer what is settled, or what the handler chose not to settle."""
        for message in messages:
            if message.outcome is Outcome.DELETED:
                continue  # until the delete is answered it may come back to us
            if self._leases is not None:
                self._leases.drop(message)
            self._forget(message)

    def _forget(self, message: SQSRawMessage) -> None:
        if self._held.get(message.message_id) is message:
            del self._held[message.message_id]

    async def _give_back(self, messages: Sequence[SQSRawMessage]) -> None:
        """Make unstarted messages visible at once; the visibility timeout does it otherwise."""
        ours = [message for message in messages if message.outcome is None]
        self._let_go(messages)
        if not ours or self._settlement is None:
            return
        try:
            await self._settlement.release(ours, 0)
        except Exception as error:  # noqa: BLE001 - nothing is lost, only later
            self._report(logging.WARNING, "messages were not given back", error)

    def _lease_failed(self, message: SQSRawMessage, error: BaseException) -> None:
        self._report(logging.WARNING, f"message {message.message_id} could not be extended", error)

    # ---------------------------------------------------------------- pulling

    async def get_one(self, *, timeout: float = 5.0) -> Any:  # noqa: ASYNC109 - FastStream's signature
        """Receive one message, or None after `timeout` seconds; settle it yourself.

        A receive is never cut off, since what it brings would be in flight unseen: a last short
        poll may outlast the timeout by a round trip. The message is kept until it is settled
        or the next one is asked for.
        """
        raw = await self._pull(timeout)
        return None if raw is None else await self._process(raw)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over messages as they come; settle each yourself."""
        while True:
            raw = await self._pull(float(max(self._config.wait_time_seconds, 1)))
            if raw is not None:
                yield await self._process(raw)
            elif self._stopping.is_set():
                return

    async def _pull(self, timeout: float) -> Any:  # noqa: ASYNC109 - as get_one
        if self.calls:
            raise AssertionError("get_one and iteration need a subscriber without handlers")
        if self._pool is None:
            self._stopping = asyncio.Event()
            self._open()
        self._let_go(self._in_hand)
        self._in_hand = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            if (unit := self._next_pulled()) is not None:
                self._in_hand = unit if self.batch else [unit]
                return unit
            wait = int(max(min(deadline - loop.time(), _LONGEST_POLL), 0))
            messages = await self._receive_whole(wait)
            if self._stopping.is_set():
                await self._give_back(messages)
                return None
            self._pulled.extend(messages)
            left = deadline - loop.time()
            if not self._pulled and left <= 0:
                return None
            if not self._pulled and wait == 0:
                await self._pause(min(_SHORT_POLL_PAUSE, left))

    def _next_pulled(self) -> Any:
        return self._pulled.popleft() if self._pulled else None

    def _pull_size(self) -> int:
        return 1

    async def _receive_whole(self, wait: int) -> list[SQSRawMessage]:
        """Receive to the end even if the caller is cancelled; then what came is given back."""
        task = asyncio.get_running_loop().create_task(self._receive(self._pull_size(), wait))
        self._receives.add(task)
        task.add_done_callback(self._receives.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._give_back_received)
            raise

    def _give_back_received(self, task: "asyncio.Task[list[SQSRawMessage]]") -> None:
        if not task.cancelled() and task.exception() is None and task.result():
            self._spawn(self._give_back(task.result()))

    async def _process(self, raw: Any) -> Any:
        parser, decoder = self._get_parser_and_decoder()
        context = self._outer_config.context
        return await process_msg(
            msg=raw,
            middlewares=(m(raw, context=context) for m in self._broker_middlewares),
            parser=parser,
            decoder=decoder,
        )

    # ---------------------------------------------------------------- FastStream's questions

    def _make_response_publisher(self, message: "StreamMessage[Any]") -> "Sequence[PublisherProto]":
        return (SQSFakePublisher(producer=self._outer_config.producer, queue=message.reply_to),)

    def get_log_context(self, message: "StreamMessage[Any] | None") -> dict[str, str]:
        return {
            "queue": self.queue_name,
            "message_id": getattr(message, "message_id", ""),
        }

    def _report(self, level: int, text: str, error: BaseException | None) -> None:
        self._log(
            level,
            f"{text}: {error!r}" if error is not None else text,
            extra=self.get_log_context(None),
        )


class SQSDefaultSubscriber(SQSSubscriber):
    """One message per call of the handler."""

    def _set_parser(self, config: "SQSSubscriberConfig") -> None:
        parser = SQSParser(unwrap_sns=config.unwrap_sns)
        config.parser = parser.parse_message
        config.decoder = parser.decode_message

    if TYPE_CHECKING:

        async def get_one(self, *, timeout: float = 5.0) -> SQSMessage | None: ...  # noqa: ASYNC109
        def __aiter__(self) -> AsyncIterator[SQSMessage]: ...


class SQSBatchSubscriber(SQSSubscriber):
    """Up to ten messages per call of the handler, those of one receive."""

    batch = True

    def _set_parser(self, config: "SQSSubscriberConfig") -> None:
        parser = SQSBatchParser(unwrap_sns=config.unwrap_sns)
        config.parser = parser.parse_batch
        config.decoder = parser.decode_batch

    def _units(self, messages: list[SQSRawMessage]) -> Iterable[tuple[str | None, Unit]]:
        # a FIFO queue withholds a group while one of its messages is out: no two batches share one
        return ((None, messages),) if messages else ()

    def _next_pulled(self) -> list[SQSRawMessage] | None:
        batch = list(self._pulled)
        self._pulled.clear()
        return batch or None

    def _pull_size(self) -> int:
        return self._config.max_messages

    if TYPE_CHECKING:

        async def get_one(self, *, timeout: float = 5.0) -> SQSBatchMessage | None: ...  # noqa: ASYNC109
        def __aiter__(self) -> AsyncIterator[SQSBatchMessage]: ...


async def _finish(tasks: "set[asyncio.Task[Any]]", timeout: float) -> None:  # noqa: ASYNC109 - a bound, not a cancellation
    """Wait for tasks up to a deadline, cancel the late ones and see them end."""
    if not tasks:
        return
    late: set[asyncio.Task[Any]] = tasks
    if timeout > 0:
        _, late = await asyncio.wait(tasks, timeout=timeout)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
