"""Extend redis-py: commands issued in one tick of the event loop share one write and one read.

A command of its own costs redis-py about 30 microseconds, most of them for the connection. redis-py
still provides everything else: connections, TLS, handshakes, retries and the parsing of replies.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_batching import redis_internals
from redis_batching.batches import Command, execute_batch
from redis_batching.pipelines import RoutedPipeline
from redis_batching.primary_connection import use_primary_connections
from redis_batching.routing import Call, Router
from redis_batching.scripts import RegisteredScript
from redis_batching.subscriptions import Subscription

MAX_WORKERS: Final = 4
"""Tasks that execute batches, each on a connection of its own.

While all are busy, new commands gather for the next batch.
"""
MAX_BATCH: Final = 64
"""Commands in one batch. More commands of one tick are spread over several workers: while Redis
executes one batch, this process handles the replies of another."""
IDLE_SECONDS: Final = 0.05
"""How long an idle worker keeps its connection; under load it is never returned to the pool."""
PROBE_SECONDS: Final = 0.1
"""After a timeout all commands fail at once until Redis answers a PING, instead of waiting one by
one; seconds between two of them."""

CLOSED: Final = "the client was closed"
CIRCUIT_OPEN: Final = "Redis did not answer in time, and has not answered since"
_CLIENT_OPTIONS: Final = ("keys", NEVER_DECODE)
"""Options of `execute_command` that are not meant for the parser of the reply."""


class _Group(NamedTuple):
    """Hold commands that are sent next to each other, for one caller."""

    commands: Sequence[Command]
    replies: "asyncio.Future[list[Any]]"


class _Batch(NamedTuple):
    """Hold what one write sends: single calls first, then groups."""

    calls: list[Call]
    groups: list[_Group]

    @property
    def commands(self) -> list[Command]:
        commands = [command for command, _, _ in self.calls]
        for group in self.groups:
            commands += group.commands
        return commands


class BatchingRedis(Redis):
    """Execute many short commands with few writes; blocking commands need another client.

    A cancelled caller loses only its own reply: batches are sent and read by worker tasks that the
    cancellation of a caller does not reach, so no caller ever gets the reply of another one.

    Commands that are in flight at the same time may be executed in any order, as with any pool of
    connections: await the first before issuing one that depends on it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.failovers = use_primary_connections(self.connection_pool)
        self.open_cluster: Callable[[], Router] | None = None
        """Opens what routes commands, once a connection has led to a node of a cluster."""
        self._router: Router | None = None
        self._server_known = False
        self._calls: list[Call] = []
        self._groups: list[_Group] = []
        self._flush_scheduled = False
        self._loop: asyncio.AbstractEventLoop
        self._workers: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._bulk: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._probe: asyncio.Task[None] | None = None
        """Runs while the circuit is open: no command is sent."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command and return a future of its reply.

        The future raises `redis.exceptions.RedisError` as redis-py does: `ResponseError` for an
        error reply, `TimeoutError` also from another command's timeout until Redis answers again.
        """
        if self._router is not None:
            routed = asyncio.get_running_loop().create_future()
            self._router.dispatch((args, options, routed))
            return routed
        if not self._flush_scheduled:
            self._schedule_flush()
        future = self._loop.create_future()
        if self._probe is not None:
            future.set_exception(RedisTimeoutError(CIRCUIT_OPEN))
        else:
            self._calls.append((args, options, future))
        return future

    def enqueue(self, call: Call) -> None:
        """Queue a call; the result or the error of its future is set."""
        if self._probe is not None:
            _set_exception([call], RedisTimeoutError(CIRCUIT_OPEN))
            return
        self._calls.append(call)
        if not self._flush_scheduled:
            self._schedule_flush()

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """Execute any number of commands in one write; cheaper than as many calls.

        All commands are executed, even if the caller is cancelled meanwhile.

        Returns:
            The replies in order; an error reply is returned as the exception, not raised.

        Raises:
            RedisError: The batch failed; none, some or all of its commands may have been executed.
        """
        replies = await self.execute_raw(commands)
        return [
            self.parse_reply(command[0], {}, reply)
            for command, reply in zip(commands, replies, strict=True)
        ]

    async def execute_raw(self, commands: Sequence[Command]) -> list[Any]:
        """Execute any number of commands like `execute_many`; return the replies unparsed."""
        if not commands:
            return []
        self.raise_if_unanswered()
        router = self._router
        if router is None and len(commands) <= MAX_BATCH:
            return await self._enqueue_group(commands)
        work = self._execute_bulk(commands) if router is None else router.execute_raw(commands)
        task = asyncio.get_running_loop().create_task(work)
        self._bulk.add(task)
        task.add_done_callback(self._bulk_ended)
        return await asyncio.shield(task)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> RoutedPipeline:  # noqa: FBT001, FBT002  redis-py's
        """Return a pipeline; in a cluster, the keys of a transaction must be in one hash slot."""
        pipe = RoutedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipe.owner = self
        return pipe

    def pubsub(self, **options: Any) -> Subscription:
        """Return a subscription, on a connection of its own."""
        return Subscription(self, **options)

    async def scan_iter(  # type: ignore[override]  # redis-py's types are those of both clients
        self, *args: Any, **options: Any
    ) -> AsyncIterator[Any]:
        """Yield the keys of the server, or of every primary of a cluster."""
        for node in await self.primaries():
            async for key in super(BatchingRedis, node).scan_iter(*args, **options):
                yield key

    def register_script(self, script: str) -> RegisteredScript:  # type: ignore[override]
        """Return a callable that runs a script, whatever scripts Redis has at the moment."""
        return RegisteredScript(self, script)

    async def primaries(self) -> "list[BatchingRedis]":
        """Return a single-node client of each primary: of a single server, this client."""
        router = await self.router()
        return [self] if router is None else await router.primaries()

    async def node_for(self, key: str | bytes) -> "BatchingRedis":
        """Return a single-node client of the primary that holds `key`."""
        router = await self.router()
        node: BatchingRedis = self if router is None else await router.node_for(key)
        return node

    async def key_on_each_primary(
        self, name: Callable[[int], str]
    ) -> "list[tuple[BatchingRedis, str]]":
        """Return each primary with a key that it holds: `name(n)` of the smallest such `n`.

        Raises:
            RedisError: The topology is not known yet, and cannot be read.
        """
        router = await self.router()
        return [(self, name(0))] if router is None else await router.key_on_each_primary(name)

    @property
    def address(self) -> str:
        """Return the host and port, or the socket file, that connections are made to."""
        options = self.connection_pool.connection_kwargs
        return str(options.get("path") or f"{options.get('host')}:{options.get('port')}")

    async def router(self) -> Router | None:
        """Return what routes commands in a cluster, or None if there is a single server.

        Raises:
            RedisError: The server cannot be reached and is not known yet.
        """
        if not self._server_known and self.open_cluster is not None:
            await self.probe()
        return self._router

    def raise_if_unanswered(self) -> None:
        """Raise if a command has timed out and Redis has not answered since.

        Raises:
            RedisTimeoutError: The circuit is open: no command is sent.
        """
        if self._probe is not None:
            raise RedisTimeoutError(CIRCUIT_OPEN)

    def leave_replica(self) -> None:
        """Make every connection again, by name: the server has turned out to be a replica."""
        self.failovers.notice(self.failovers.count)

    async def probe(self) -> None:
        """Make sure that there is a connection to the server.

        Raises:
            RedisError: The server cannot be reached.
        """
        await self.connection_pool.release(await self._take_connection())

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001  redis-py's
        """Wait for the commands in flight, then close."""
        self._closing = True
        if self._probe is not None:
            self._probe.cancel()
        self._flush()
        while self._workers or self._bulk:
            for idle in self._idle:
                _wake(idle)
            await asyncio.wait(self._workers | self._bulk)
        self._closing = False
        if self._router is not None:
            await self._router.aclose()
        await super().aclose(close_connection_pool)

    # Workers

    def _enqueue_group(self, commands: Sequence[Command]) -> "asyncio.Future[list[Any]]":
        """Queue commands that share a write with the calls and the groups of other callers."""
        if not self._flush_scheduled:
            self._schedule_flush()
        group = _Group(commands, self._loop.create_future())
        self._groups.append(group)
        return group.replies

    def _schedule_flush(self) -> None:
        self._flush_scheduled = True
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand the calls of this tick to workers; busy workers take them later."""
        self._flush_scheduled = False
        waiting = len(self._calls) + sum(len(group.commands) for group in self._groups)
        for _ in range(0, waiting, MAX_BATCH):
            if not self._wake_worker() and not self._start_worker():
                break

    def _wake_worker(self) -> bool:
        while self._idle:
            if _wake(self._idle.pop()):
                return True
        return False

    def _start_worker(self) -> bool:
        if len(self._workers) >= MAX_WORKERS:
            return False
        worker = asyncio.get_running_loop().create_task(self._work(), name="redis-batches")
        self._workers.add(worker)
        worker.add_done_callback(self._worker_ended)
        return True

    def _worker_ended(self, worker: "asyncio.Task[None]") -> None:
        self._workers.discard(worker)
        if not worker.cancelled():
            worker.exception()  # already reported to the callers
        self._flush()

    async def _work(self) -> None:
        """Execute batch after batch on one connection until there is none for a while."""
        try:
            connection = await self._take_connection()
        except Exception as error:  # noqa: BLE001  any failure is reported to the callers
            batch = self._next_batch()
            self._fail_unsent(batch.calls, error)
            _set_exception(batch.groups, error)
            return
        try:
            if self._router is not None:
                self._hand_over(self._router)
                await connection.disconnect()  # from now on commands go to their nodes
            while self._calls or self._groups or await self._wait_for_calls(connection):
                await self._execute(connection, self._next_batch())
                if connection.should_reconnect() or connection.needs_verification:
                    break  # the next worker gets a sound one
        finally:
            await self.connection_pool.release(connection)

    async def _take_connection(self) -> Any:
        """Return a connection of the pool whose server was a primary a moment ago."""
        pool: Any = self.connection_pool
        connection = await redis_internals.take_idle(pool) or await pool.get_connection()
        if connection.needs_verification:
            try:
                await connection.verify_again()
            except BaseException:
                await pool.release(connection)
                raise
        self._server_known = True
        if connection.cluster_mode and self._router is None and self.open_cluster is not None:
            self._router = self.open_cluster()
        return connection

    def _hand_over(self, router: Router) -> None:
        """Route the calls that were queued before the server was known as a node of a cluster."""
        waiting = self._take_waiting()
        for call in waiting.calls:
            router.dispatch(call)
        for group in waiting.groups:
            task = self._loop.create_task(_route(router, group))
            self._bulk.add(task)
            task.add_done_callback(self._bulk_ended)

    def _take_waiting(self) -> _Batch:
        waiting = _Batch(self._calls, self._groups)
        self._calls, self._groups = [], []
        return waiting

    def _next_batch(self) -> _Batch:
        """Take up to `MAX_BATCH` commands, or one group more than fits."""
        calls = [call for call in self._calls[:MAX_BATCH] if not call[2].done()]
        del self._calls[:MAX_BATCH]
        left, taken = MAX_BATCH - len(calls), 0
        while left > 0 and taken < len(self._groups):
            left -= len(self._groups[taken].commands)
            taken += 1
        groups = self._groups[:taken]
        del self._groups[:taken]
        return _Batch(calls, groups)

    async def _wait_for_calls(self, connection: Any) -> bool:
        """Return whether a call has arrived within `IDLE_SECONDS`, and the connection is sound."""
        if self._closing:
            return False
        woken = self._loop.create_future()
        self._idle.append(woken)
        timer = self._loop.call_later(IDLE_SECONDS, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()
            if woken in self._idle:
                self._idle.remove(woken)
        # if it was closed or outdated meanwhile, the next worker takes the calls
        sound = not (redis_internals.is_closed(connection) or connection.should_reconnect())
        return bool(self._calls or self._groups) and sound

    async def _execute(self, connection: Any, batch: _Batch) -> None:
        try:
            replies = await execute_batch(connection, batch.commands)
        except Exception as error:  # noqa: BLE001  as above
            self._fail(batch.calls, error)
            _set_exception(batch.groups, error)
        except asyncio.CancelledError:
            _set_exception([*batch.calls, *batch.groups], RedisConnectionError(CLOSED))
            raise
        else:
            first = len(batch.calls)
            self._set_results(batch.calls, replies[:first])
            for group in batch.groups:
                last = first + len(group.commands)
                if not group.replies.done():  # the caller was cancelled meanwhile
                    group.replies.set_result(replies[first:last])
                first = last

    def _fail_unsent(self, batch: list[Call], error: Exception) -> None:
        """Fail a batch of which nothing has been sent."""
        self._fail(batch, error)

    def _fail_call(self, call: Call, error: Exception) -> None:
        """Report an error reply to the caller."""
        call[2].set_exception(error)

    def _fail(self, batch: list[Call], error: Exception) -> None:
        """Fail a batch; after a timeout open the circuit and fail everything that waits."""
        _set_exception(batch, error)
        if isinstance(error, RedisTimeoutError) and self._probe is None and not self._closing:
            self._probe = asyncio.get_running_loop().create_task(self._until_answered())
            waiting = self._take_waiting()
            _set_exception([*waiting.calls, *waiting.groups], RedisTimeoutError(CIRCUIT_OPEN))

    async def _until_answered(self) -> None:
        """Close the circuit once Redis answers a PING, if only with an error reply."""
        try:
            while not await self._answers():  # noqa: ASYNC110  nothing announces an answer
                await asyncio.sleep(PROBE_SECONDS)
        finally:
            self._probe = None

    async def _answers(self) -> bool:
        pool: Any = self.connection_pool
        try:
            connection = await pool.get_connection()
            try:
                await execute_batch(connection, [("PING",)])
            finally:
                await pool.release(connection)
        except (RedisError, OSError):  # every command reports the outage meanwhile
            return False
        return True

    def _set_results(self, batch: list[Call], replies: list[Any]) -> None:
        for call, reply in zip(batch, replies, strict=True):
            command, options, future = call
            if future.done():  # the caller was cancelled meanwhile
                continue
            try:
                parsed = self.parse_reply(command[0], options, reply)
            except Exception as error:  # noqa: BLE001  reported to the caller
                parsed = error
            if isinstance(parsed, Exception):
                self._fail_call(call, parsed)
            else:
                future.set_result(parsed)

    def parse_reply(self, name: str, options: dict[str, Any], reply: Any) -> Any:
        """Return what redis-py makes of a reply; an error stays an error."""
        # what redis-py's `get` of its dictionary with keys in capitals does, in a third of the time
        parsers: Any = self.response_callbacks
        parse = dict.get(parsers, name.upper())
        if parse is None or isinstance(reply, Exception):
            return reply
        for option in _CLIENT_OPTIONS:
            options.pop(option, None)
        return parse(reply, **options)

    # Bulk

    async def _execute_bulk(self, commands: Sequence[Command]) -> list[Any]:
        connection = await self._take_connection()
        try:
            if self._router is None:
                return await execute_batch(connection, commands)
        finally:
            await self.connection_pool.release(connection)
        return await self._router.execute_raw(commands)

    def _bulk_ended(self, task: "asyncio.Task[Any]") -> None:
        self._bulk.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here in case the caller was cancelled


async def _route(router: Router, group: _Group) -> None:
    try:
        replies = await router.execute_raw(group.commands)
    except Exception as error:  # noqa: BLE001  reported to the caller
        _set_exception([group], error)
    else:
        if not group.replies.done():  # the caller was cancelled meanwhile
            group.replies.set_result(replies)


def _set_exception(batch: Sequence[Call | _Group], error: Exception) -> None:
    for *_, future in batch:
        if not future.done():
            future.set_exception(error)


def _wake(idle: "asyncio.Future[None]") -> bool:
    """Return whether an idle worker was woken; one whose time is up no longer waits."""
    if idle.done():
        return False
    idle.set_result(None)
    return True
