"""Serve a cluster: a client for each primary, and the topology that says which slots it holds."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import Connection
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ClusterDownError,
    MovedError,
    RedisError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_batching.batches import Command
from redis_batching.client import BatchingRedis
from redis_batching.primary_connection import use_primary_connections
from redis_batching.routing import (
    EVERY_PRIMARY,
    SLOTS,
    Call,
    name_of,
    slot_of,
    slot_of_key,
)

MAX_ROUNDS: Final = 5
"""How often a command is sent at most: after `MOVED`, or to another node than a dead one."""
REFRESH_SECONDS: Final = 0.2
"""Seconds between two refreshes of the topology in the background, at least."""

CLOSE_SECONDS: Final = 3.0
"""Longest time for which closing waits for commands that are looking for their node."""
MOST_NAMES: Final = 4_096
"""Names that are tried to find a key on each primary."""

HOST: Final = "127.0.0.1"
"""Host of nodes that do not know their own, if the URL names a socket file."""

Address = tuple[str, int]
SlotRange = tuple[int, int, Address, list[Address]]
"""First and last slot, primary, replicas."""


class NodeUnreachable(RedisConnectionError):
    """No connection to a node could be made; nothing has been sent to it."""


class Node(BatchingRedis):
    """Execute commands on one node of a cluster; what it does not hold goes back to the cluster."""

    host: str
    owner: "Cluster"

    async def _take_connection(self) -> Any:
        try:
            return await super()._take_connection()
        except (RedisConnectionError, RedisTimeoutError, OSError) as error:
            raise NodeUnreachable(str(error)) from error

    def _fail_unsent(self, batch: list[Call], error: Exception) -> None:
        self._calls, waiting = [], [*batch, *self._calls]
        self.owner.repeat_unsent(self, waiting, error)

    def _fail(self, batch: list[Call], error: Exception) -> None:
        super()._fail(batch, error)
        self.owner.suspect()

    def _fail_call(self, call: Call, error: Exception) -> None:
        self.owner.redirect(call, error)

    async def retire(self) -> None:
        """Interrupt subscriptions, and close once the commands in flight have ended."""
        self.failovers.notice(self.failovers.count)
        await self.aclose()


class Cluster:
    """Route commands to the primaries of a cluster, and follow its topology.

    `MOVED` changes the node of a slot at once and repeats the command; `ASK` repeats it once on the
    node named. The topology is read again after `MOVED`, `CLUSTERDOWN`, a failed connection or a
    timeout. A command that may have been executed is never repeated.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the options of the pool that leads to some node of the cluster."""
        self._options = dict(options)
        self._nodes: dict[Address, Node] = {}
        self._known: list[Address] = []
        self._slots: list[Node | None] = [None] * SLOTS
        self._seed = self._open(None, allow_replica=True)
        self._rounds: dict[asyncio.Future[Any], int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loading: asyncio.Task[None] | None = None
        self._last_look = float("-inf")

    # Routing

    def dispatch(self, call: Call) -> None:
        """Send a call to its node; set the result or the error of its future."""
        slot = slot_of(call[0])
        if slot is not None and (node := self._slots[slot]) is not None:
            node.enqueue(call)
        elif slot is None and name_of(call[0]) in EVERY_PRIMARY:
            self._start(self._resolve(call[2], lambda: self._on_every_primary(call)))
        elif slot is None and self._nodes:
            random.choice(list(self._nodes.values())).enqueue(call)  # noqa: S311  no secret
        else:
            self._start(self._dispatch_later(call, slot))

    def redirect(self, call: Call, error: Exception) -> None:
        """Repeat a call that a node did not execute, or report its error."""
        if isinstance(error, ClusterDownError):
            self.suspect()
        if not isinstance(error, AskError) or not self._may_repeat(call[2]):
            _set_exception(call[2], error)
        elif isinstance(error, MovedError):
            self._move(error).enqueue(call)
        else:
            self._start(self._resolve(call[2], lambda: self._ask(call, error)))

    def repeat_unsent(self, node: Node, calls: Sequence[Call], error: Exception) -> None:
        """Send calls that `node` was not reached with to the nodes that have taken over."""
        self._start(self._repeat_elsewhere(node, calls, error))

    def suspect(self) -> None:
        """Look at the topology soon, in the background."""
        now = asyncio.get_running_loop().time()
        if now - self._last_look > REFRESH_SECONDS:
            self._last_look = now
            self._start(_quietly(self.refresh()))

    async def execute_raw(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, not parsed; an error reply is returned, not raised.

        Raises:
            RedisError: A node could not be reached, or its connection broke.
        """
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        for attempt in range(MAX_ROUNDS):
            left = await self._round(commands, left, replies, last=attempt == MAX_ROUNDS - 1)
            if not left:
                break
        return replies

    async def execute_transaction(self, stack: list[Any], *, raise_on_error: bool) -> list[Any]:
        """Execute the commands of a redis-py pipeline in one transaction, on one node.

        Raises:
            ClusterCrossSlotError: The keys are in more than one slot.
            RedisError: A command failed, or the node could not be reached.
        """
        slots = {slot for command, _ in stack if (slot := slot_of(command)) is not None}
        if len(slots) > 1:
            raise ClusterCrossSlotError("Keys of one transaction must be in one hash slot")
        for _ in range(MAX_ROUNDS):
            node = await self._node_of(slots.pop()) if slots else await self.reachable_node()
            pipe: Any = Pipeline(node.connection_pool, node.response_callbacks, True, None)  # noqa: FBT003  redis-py's
            pipe.command_stack = stack
            try:
                replies: list[Any] = await pipe.execute(raise_on_error)
            except MovedError as moved:
                slots = {moved.slot_id}
                self._move(moved)
            except (RedisConnectionError, RedisTimeoutError, ClusterDownError):
                self.suspect()
                raise
            else:
                return replies
        raise ClusterDownError("The slot of the transaction keeps moving")

    # Nodes

    async def primaries(self) -> list[Any]:
        """Return a client of each primary."""
        await self.refresh()
        return list(self._nodes.values())

    async def node_for(self, key: str | bytes) -> Any:
        """Return a client of the primary that holds a key."""
        return await self._node_of(slot_of_key(key))

    async def key_on_each_primary(self, name: Callable[[int], str]) -> list[tuple[Any, str]]:
        """Return each primary with a key that it holds; one with next to no slots is left out."""
        if not self._nodes:
            await self.refresh()
        found: dict[Node, str] = {}
        for number in range(MOST_NAMES):
            key = name(number)
            if (node := self._slots[slot_of_key(key)]) is not None:
                found.setdefault(node, key)
            if len(found) == len(self._nodes):
                break
        return list(found.items())

    async def reachable_node(self) -> BatchingRedis:
        """Return a client of some primary that can be reached.

        Raises:
            RedisConnectionError: There is none.
        """
        if not self._nodes:
            await self.refresh()
        nodes = list(self._nodes.values())
        random.shuffle(nodes)
        for node in nodes:
            try:
                await node.probe()
            except RedisConnectionError:
                self.suspect()
            else:
                return node
        raise RedisConnectionError("No node of the cluster can be reached")

    async def refresh(self) -> None:
        """Read the topology; callers at the same time share one reading.

        Raises:
            RedisError: No node returns it.
        """
        if self._loading is None or self._loading.done():
            self._loading = self._start(self._load())
        await asyncio.shield(self._loading)

    async def aclose(self) -> None:
        """Wait a while for commands in flight, which may be looking for their node, then close."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(each.aclose() for each in (self._seed, *self._nodes.values())))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _open(self, address: Address | None, *, allow_replica: bool = False) -> Node:
        """Return a new client of the node at an address, or of the one that the URL names."""
        options = dict(self._options)
        if address is not None:
            if options.pop("path", None) is not None:
                options["connection_class"] = Connection
            options |= {"host": address[0], "port": address[1]}
        pool = BlockingConnectionPool(**options)
        use_primary_connections(pool, allow_replica=allow_replica)
        client: Any = Node.from_pool(pool)
        client.host, client.owner = options.get("host", HOST), self
        node: Node = client
        return node

    def _primary_at(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            self._nodes[address] = node = self._open(address)
        return node

    async def _node_of(self, slot: int) -> Node:
        if self._slots[slot] is None:
            await self.refresh()
        node = self._slots[slot]
        if node is None:
            raise ClusterDownError(f"Hash slot {slot} is not served")
        return node

    def _move(self, moved: MovedError) -> Node:
        """Note that a slot is on another node now, and return that node."""
        node = self._primary_at((moved.host or self._seed.host, int(moved.port)))
        self._slots[moved.slot_id] = node
        self.suspect()
        return node

    # Topology

    async def _load(self) -> None:
        """Read the topology from any node that returns it: primaries, replicas, then the URL."""
        known = random.sample(self._known, len(self._known))
        problem: Exception = RedisConnectionError("No node of the cluster can be reached")
        for address in [*known, None]:
            node = self._nodes.get(address) if address else self._seed
            opened = None
            if node is None:
                node = opened = self._open(address, allow_replica=True)
            try:
                (reply,) = await node.execute_many([("CLUSTER", "SLOTS")])
            except (RedisError, OSError) as error:
                problem = error
            else:
                if isinstance(reply, list) and reply:
                    self._apply(parse_slots(reply, node.host))
                    return
                problem = reply if isinstance(reply, Exception) else problem
            finally:
                if opened is not None:
                    await opened.aclose()
        raise problem

    def _apply(self, ranges: Iterable[SlotRange]) -> None:
        slots: list[Node | None] = [None] * SLOTS
        present: set[Address] = set()
        self._known = []
        for first, last, primary, replicas in ranges:
            node = self._primary_at(primary)
            slots[first : last + 1] = [node] * (last + 1 - first)
            present.add(primary)
            self._known += [primary, *replicas]
        self._known = list(dict.fromkeys(self._known))
        self._slots = slots
        for address in self._nodes.keys() - present:
            self._start(_quietly(self._nodes.pop(address).retire()))

    # Single calls

    async def _dispatch_later(self, call: Call, slot: int | None) -> None:
        try:
            node = await (self.reachable_node() if slot is None else self._node_of(slot))
        except (RedisError, OSError, asyncio.CancelledError) as error:
            _set_exception(call[2], _closed(error))
        else:
            node.enqueue(call)

    async def _repeat_elsewhere(self, node: Node, calls: Sequence[Call], error: Exception) -> None:
        with contextlib.suppress(asyncio.CancelledError):  # the client was closed
            await _quietly(self.refresh())
        for call in calls:
            slot = slot_of(call[0])
            others = [each for each in self._nodes.values() if each is not node]
            other = self._slots[slot] if slot is not None else next(iter(others), None)
            if other is None or other is node or not self._may_repeat(call[2]):
                _set_exception(call[2], error)
            else:
                other.enqueue(call)

    def _may_repeat(self, future: "asyncio.Future[Any]") -> bool:
        """Count the repetitions of a call; return whether it may be repeated once more."""
        if future not in self._rounds:
            future.add_done_callback(lambda done: self._rounds.pop(done, None))
        self._rounds[future] = self._rounds.get(future, 0) + 1
        return self._rounds[future] < MAX_ROUNDS

    async def _ask(self, call: Call, ask: AskError) -> Any:
        command, options, _ = call
        return self._seed.parse_reply(command[0], options, await self._ask_raw(command, ask))

    async def _ask_raw(self, command: Command, ask: AskError) -> Any:
        node = self._primary_at((ask.host or self._seed.host, int(ask.port)))
        _, reply = await node.execute_raw([("ASKING",), command])
        return reply

    async def _on_every_primary(self, call: Call) -> Any:
        command, options, _ = call
        nodes = await self.primaries()
        replies = await asyncio.gather(*(n.execute_command(*command, **options) for n in nodes))
        if name_of(command) == "DBSIZE":
            return sum(replies)
        if name_of(command) == "KEYS":
            return [key for keys in replies for key in keys]
        return replies[0]

    # Many commands at once

    async def _round(
        self, commands: Sequence[Command], left: list[int], replies: list[Any], *, last: bool
    ) -> list[int]:
        """Send the commands that are left, each to its node; return those to be sent again."""
        groups: dict[Node, list[int]] = {}
        for number in left:
            slot = slot_of(commands[number])
            node: Any = await (self.reachable_node() if slot is None else self._node_of(slot))
            groups.setdefault(node, []).append(number)
        results = await asyncio.gather(
            *(node.execute_raw([commands[n] for n in group]) for node, group in groups.items()),
            return_exceptions=True,
        )
        again: list[int] = []
        unsent: list[int] = []
        for group, result in zip(groups.values(), results, strict=True):
            if isinstance(result, NodeUnreachable) and not last:
                unsent += group
            elif isinstance(result, BaseException):
                self.suspect()
                raise result
            else:
                again += await self._sort(commands, group, result, replies)
        if unsent:
            before = {
                n: self._slots[slot] for n in unsent if (slot := slot_of(commands[n])) is not None
            }
            await self.refresh()
            if any(self._slots[slot_of(commands[n]) or 0] is node for n, node in before.items()):
                raise RedisConnectionError("A node of the cluster cannot be reached")
        return sorted(again + unsent)

    async def _sort(
        self, commands: Sequence[Command], group: list[int], result: list[Any], replies: list[Any]
    ) -> list[int]:
        """Store the replies of one node; return the commands to be sent to another one."""
        again = []
        for number, reply in zip(group, result, strict=True):
            replies[number] = reply
            if isinstance(reply, MovedError):
                self._move(reply)
                again.append(number)
            elif isinstance(reply, AskError):
                replies[number] = await self._ask_raw(commands[number], reply)
            elif isinstance(reply, ClusterDownError):
                self.suspect()
        return again

    # Tasks

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # reported to those who wait for it

    async def _resolve(
        self, future: "asyncio.Future[Any]", work: Callable[[], Awaitable[Any]]
    ) -> None:
        """Pass the result or the error of some work on to a caller."""
        try:
            result = await work()
        except (RedisError, OSError, asyncio.CancelledError) as error:
            _set_exception(future, _closed(error))
        else:
            if isinstance(result, Exception):
                _set_exception(future, result)
            elif not future.done():
                future.set_result(result)


def parse_slots(reply: Iterable[Any], asked: str) -> list[SlotRange]:
    """Return the slot ranges that `CLUSTER SLOTS` lists; `asked` is the host that returned them."""
    ranges = []
    for first, last, *nodes in reply:
        primary, *replicas = (_address(node, asked) for node in nodes)
        ranges.append((int(first), int(last), primary, replicas))
    return ranges


def _address(node: Sequence[Any], asked: str) -> Address:
    """Return a node's address; a node that does not know its host is on the one that was asked."""
    host = node[0].decode() if isinstance(node[0], bytes) else node[0]
    return (asked if host in (None, "", "?") else host, int(node[1]))


async def _quietly(work: Awaitable[None]) -> None:
    """Await work in the background whose failure shows in the commands that depend on it."""
    with contextlib.suppress(RedisError, OSError):
        await work


def _closed(error: BaseException) -> Exception:
    """Return the error for a caller whose command was given up because the client was closed."""
    return error if isinstance(error, Exception) else RedisConnectionError("the client was closed")


def _set_exception(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
