"""Make connections that lead to a primary, notice a failover, and lose no cancellation."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from redis_batching import redis_internals
from redis_batching.batches import pack
from redis_batching.failover import ErrorObserver, Failovers

VERIFY_SECONDS: Final = 5.0
"""Seconds after which the role of a connection's server is verified again."""


class NotPrimary(RedisConnectionError):
    """The server is a replica: a failover is under way, or the URL names a replica."""


class PrimaryConnection(AbstractConnection):
    """Extend a redis-py connection; mixed into the connection class of a pool.

    - It is refused if its server is a replica (unless replicas are allowed), by one `HELLO` when
      it is made, which every user may send.
    - An error reply that only a replica gives (`READONLY` in any form, `MASTERDOWN`, `LOADING`)
      outdates it and all connections of its pool that were made before. An outdated connection is
      made again, by name, before its next use.
    - A connection that the server has closed while it was idle is made again before it is used,
      so its first command is not lost. This is safe for any command: nothing has been written.
    - A write to a connection that is closed meanwhile, for instance between connecting and the
      first command, fails with an error of redis-py, also under uvloop, which raises another one.
    - redis-py writes under `asyncio.wait_for`, which before Python 3.12 swallows a cancellation
      that arrives in the tick in which the write ends: a cancelled task would go on for ever.
    """

    failovers: Failovers
    """Those noticed by the pool; set by the class that a pool makes connections of."""
    allow_replica: bool
    allow_replica_in_cluster: bool
    """Whether any node of a cluster will do, since it only leads to the others."""
    cluster_mode: bool = False
    """Whether the server is a node of a cluster."""
    _observer: ErrorObserver
    _verified_at: float = 0.0

    def set_parser(self, parser_class: Any) -> None:
        """Observe error replies; the parser calls back for no other reply."""
        super().set_parser(parser_class)
        self._observer = ErrorObserver(self.failovers, self.failovers.count)
        redis_internals.observe_errors(self, self._observer)

    async def connect(self) -> None:
        """Connect, also if the present connection is outdated or was closed by the server."""
        if self.is_connected and (self.should_reconnect() or redis_internals.is_closed(self)):
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  redis-py's
        """Introduce the client to the server, then verify the server's role."""
        self._observer.made_after = self.failovers.count
        await super().on_connect_check_health(check_health=check_health)
        await self._verify()

    def should_reconnect(self) -> bool:
        """Return whether the connection must not be used again as it is."""
        return self._observer.outdated or bool(super().should_reconnect())  # type: ignore[no-untyped-call]

    @property
    def needs_verification(self) -> bool:
        """Whether the role was verified so long ago that it may have changed unnoticed."""
        return time.monotonic() - self._verified_at > VERIFY_SECONDS

    async def verify_again(self) -> None:
        """Verify the role; connect again, by name, if the server has become a replica."""
        try:
            await self._verify()
        except RedisConnectionError:
            await self.disconnect(nowait=True)
            await self.connect()

    async def _verify(self) -> None:
        try:
            await self.send_command("HELLO", self.protocol, check_health=False)
            reply = await self.read_response()
        except ResponseError:  # older than Redis 6
            reply = {}
        facts = _texts(reply)
        self._verified_at = time.monotonic()
        self.cluster_mode = facts.get("mode") == "cluster"
        allowed = self.allow_replica or (self.cluster_mode and self.allow_replica_in_cluster)
        if facts.get("role") in {"replica", "slave"} and not allowed:
            self.failovers.notice(self._observer.made_after)
            raise NotPrimary(f"{self._host_error()} is a replica, not the primary")

    def pack_command(self, *args: Any) -> list[bytes]:
        """Encode in C: the Python encoder took a fifth of the CPU of a bulk load."""
        return [pack(args)]

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        """Write, and keep a cancellation that arrives as the write ends.

        Raises:
            RedisError: The connection broke, or was closed before the write.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        try:
            await super().send_packed_command(*args, **options)
        except (RuntimeError, AttributeError) as error:  # of uvloop, and of a removed writer
            if not redis_internals.is_gone(self):
                raise
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the connection to Redis was closed") from error
        if task and task.cancelling() > before:
            await self.disconnect(nowait=True)  # the next caller must not read this reply
            raise asyncio.CancelledError


def use_primary_connections(
    pool: Any, *, allow_replica: bool = False, allow_replica_in_cluster: bool = False
) -> Failovers:
    """Let a pool make primary connections; return the failovers that they notice.

    Call this before the first command. A pool that makes such connections already is left as it is.
    """
    kind = pool.connection_class
    if not issubclass(kind, PrimaryConnection):
        members = {
            "failovers": Failovers(),
            "allow_replica": allow_replica,
            "allow_replica_in_cluster": allow_replica_in_cluster,
        }
        kind = type(f"Primary{kind.__name__}", (PrimaryConnection, kind), members)
        pool.connection_class = kind
    failovers: Failovers = kind.failovers
    return failovers


def _texts(reply: Any) -> dict[str, str]:
    """Return the texts of a reply to HELLO: a map in RESP3, a flat list in RESP2."""
    pairs = (
        reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)
    )
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
