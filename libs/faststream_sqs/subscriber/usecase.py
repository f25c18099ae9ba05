"""Poll a queue within credits, handle messages in order, and stop without loss."""

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from faststream_sqs.client import backoff, is_missing_queue, is_transient
from faststream_sqs.faststream_internals import SubscriberUsecase, process_msg
from faststream_sqs.message import Outcome, SQSBatchMessage, SQSMessage, SQSRawMessage
from faststream_sqs.parser import SQSBatchParser, SQSParser
from faststream_sqs.publisher.fake import SQSFakePublisher
from faststream_sqs.schemas import SQSQueue, queue_name
from faststream_sqs.subscriber.inbox import Inbox
from faststream_sqs.subscriber.lifecycle import Running, finish, pause
from faststream_sqs.subscriber.pool import Unit, WorkerPool
from faststream_sqs.subscriber.puller import Puller

if TYPE_CHECKING:
    from faststream.message import StreamMessage

    from faststream_sqs.broker.config import SQSBrokerConfig
    from faststream_sqs.faststream_internals import (
        CallsCollection,
        PublisherProto,
        SubscriberSpecification,
    )
    from faststream_sqs.subscriber.config import SQSSubscriberConfig

_LONGEST_BACKOFF = 30.0


class SQSSubscriber(SubscriberUsecase[Any]):
    """Receive and handle messages; the base of single and batch subscribers."""

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
        self._run: Running | None = None
        self._stop_task: asyncio.Task[None] | None = None

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
        """The name of the queue, whether given by name, URL or ARN."""
        return queue_name(self.queue.name)

    async def start(self) -> None:
        """Start polling; a missing queue is declared, or logged and waited for.

        Raises:
            SetupError: The queue is to be declared and exists with other attributes.
        """
        await self._outer_config.declare_late(self.queue)
        await super().start()
        self._post_start()
        if self._outer_config.in_memory or self._run is not None:
            return
        run = self._open()
        if self.calls:
            loop = asyncio.get_running_loop()
            run.pollers |= {loop.create_task(self._poll(run)) for _ in range(self._config.pollers)}

    async def stop(self) -> None:
        """Stop within the graceful timeout and leave nothing in flight.

        Messages that were not started are returned at once. Polls in flight are waited for, and
        their messages returned. Started handlers may finish until the timeout; then they are
        cancelled.
        """
        self.running = False
        run = self._run
        if run is None:
            return
        from_inside = asyncio.current_task() in run.tasks
        if self._stop_task is None:
            run.stopping.set()
            # at once: the worker that asks for the stop must not take another message
            unstarted = run.pool.close()
            self._stop_task = asyncio.get_running_loop().create_task(self._wind_up(run, unstarted))
            self._stop_task.add_done_callback(self._stopped)
        if not from_inside:
            await asyncio.shield(self._stop_task)

    async def _wind_up(self, run: Running, unstarted: list[SQSRawMessage]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._outer_config.graceful_timeout or 0.0)
        pulls = run.puller.close()
        await run.inbox.give_back(unstarted)
        await finish({*run.tasks, *pulls}, deadline - loop.time())
        await run.inbox.give_back(run.pool.unfinished())
        await run.inbox.close()

    def _stopped(self, task: "asyncio.Task[None]") -> None:
        self._stop_task = self._run = None
        if not task.cancelled() and (error := task.exception()):
            self._report(logging.ERROR, "the subscriber did not stop cleanly", error)

    def _open(self) -> Running:
        config = self._config
        inbox = Inbox(
            self._outer_config.connection,
            self.queue,
            config,
            reject=self._outer_config.reject,
            report=self._report,
        )
        unit = config.max_messages if self.batch else 1
        pool = WorkerPool(
            lambda messages: self._handle(inbox, messages),
            inbox.give_back,
            workers=config.max_workers,
            prefetch=config.max_messages,
            unit_size=unit,
        )
        self._run = Running(inbox, pool, Puller(inbox, unit))
        return self._run

    # ---------------------------------------------------------------- polling

    async def _poll(self, run: Running) -> None:
        pauses = backoff(1.0, _LONGEST_BACKOFF)
        attempt_id = uuid4().hex
        failing = False
        while not run.stopping.is_set() and (credit := await run.pool.reserve()):
            try:
                messages = await run.inbox.receive(credit, self._wait_time, attempt_id)
            except Exception as error:  # noqa: BLE001 - a poller outlives every error
                run.pool.unreserve(credit)
                self._receive_failed(run.inbox, error, first=not failing)
                failing = True
                if not is_transient(error):
                    attempt_id = uuid4().hex
                await pause(run.stopping, next(pauses))
                continue
            if failing:
                failing = False
                pauses = backoff(1.0, _LONGEST_BACKOFF)
                self._receiving_again()
            attempt_id = uuid4().hex
            run.pool.unreserve(credit - len(messages))
            await self._take_in(run, messages)

    async def _take_in(self, run: Running, messages: list[SQSRawMessage]) -> None:
        if not run.stopping.is_set():
            run.pool.admit(self._units(messages))
            return
        run.pool.unreserve(len(messages))
        await run.inbox.give_back(messages)

    @property
    def _wait_time(self) -> int:
        """Seconds of a long poll; never longer than `stop()` waits for it."""
        grace = self._outer_config.graceful_timeout
        wait = self._config.wait_time_seconds
        return min(wait, max(int(grace) - 1, 1)) if grace else wait

    def _units(self, messages: list[SQSRawMessage]) -> Iterable[tuple[str | None, Unit]]:
        fifo = self.queue.fifo
        return ((message.group_id if fifo else None, [message]) for message in messages)

    def _receive_failed(self, inbox: Inbox, error: Exception, *, first: bool) -> None:
        missing = is_missing_queue(error)
        if missing:
            inbox.lost_queue()
        if self._outer_config.on_receive is not None:
            self._outer_config.on_receive(self.queue_name, error)
        elif first:
            what = "does not exist" if missing else "cannot be received from"
            self._report(logging.ERROR, f"queue {self.queue_name} {what}, trying on", error)

    def _receiving_again(self) -> None:
        if self._outer_config.on_receive is not None:
            self._outer_config.on_receive(self.queue_name, None)
        else:
            self._report(logging.INFO, f"receiving from {self.queue_name} again", None)

    async def _handle(self, inbox: Inbox, unit: Unit) -> bool:
        """Handle one unit and return whether the next one of its group may follow."""
        now = asyncio.get_running_loop().time()
        if any(message.outcome is not None or message.expires_at <= now for message in unit):
            # expired: it is, or will be, handled where it was redelivered
            inbox.let_go(unit)
            return False
        await self.consume(unit if self.batch else unit[0])
        inbox.let_go(unit)
        done = all(message.outcome is Outcome.DELETED for message in unit)
        if not done:
            inbox.failed(unit)
        return done

    # ---------------------------------------------------------------- pulling

    async def get_one(self, *, timeout: float = 5.0) -> Any:  # noqa: ASYNC109 - FastStream's signature
        """Receive one message, or None after `timeout` seconds; settle it yourself.

        A receive is never cancelled, since its messages would stay invisible: the last short poll
        may exceed the timeout by a round trip. The message is extended until it is settled or the
        next one is requested.
        """
        return await self._pull(timeout)

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Iterate over messages as they arrive, until `stop()`; settle each yourself."""
        while True:
            message = await self._pull(float(max(self._wait_time, 1)))
            if message is not None:
                yield message
            elif self._run is None or self._run.puller.closed:
                return

    async def _pull(self, timeout: float) -> Any:  # noqa: ASYNC109 - as get_one
        if self.calls:
            raise AssertionError("get_one and iteration need a subscriber without handlers")
        if self._run is None:
            await self._outer_config.declare_late(self.queue)
        run = self._run or self._open()
        if not (messages := await run.puller.pull(timeout)):
            return None
        raw = messages if self.batch else messages[0]
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
        """Return the fields of every log line of the subscriber."""
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
    """Pass one message to each call of the handler."""

    def _set_parser(self, config: "SQSSubscriberConfig") -> None:
        parser = SQSParser(unwrap_sns=config.unwrap_sns)
        config.parser = parser.parse_message
        config.decoder = parser.decode_message

    if TYPE_CHECKING:

        async def get_one(self, *, timeout: float = 5.0) -> SQSMessage | None: ...  # noqa: ASYNC109
        def __aiter__(self) -> AsyncIterator[SQSMessage]: ...


class SQSBatchSubscriber(SQSSubscriber):
    """Pass the messages of one receive, up to ten, to each call of the handler."""

    batch = True

    def _set_parser(self, config: "SQSSubscriberConfig") -> None:
        parser = SQSBatchParser(unwrap_sns=config.unwrap_sns)
        config.parser = parser.parse_batch
        config.decoder = parser.decode_batch

    def _units(self, messages: list[SQSRawMessage]) -> Iterable[tuple[str | None, Unit]]:
        # a FIFO queue withholds a group while one of its messages is in flight
        return ((None, messages),) if messages else ()

    if TYPE_CHECKING:

        async def get_one(self, *, timeout: float = 5.0) -> SQSBatchMessage | None: ...  # noqa: ASYNC109
        def __aiter__(self) -> AsyncIterator[SQSBatchMessage]: ...
