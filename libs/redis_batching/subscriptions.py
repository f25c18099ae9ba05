"""Subscribe to channels on a connection that is replaced after a failover."""

from typing import TYPE_CHECKING, Any

from redis.asyncio.client import PubSub

from redis_batching import redis_internals

if TYPE_CHECKING:
    from redis_batching.routing import RoutedClient


class Subscription(PubSub):
    """Extend redis-py's subscription: it ends with `ConnectionError` when its server was demoted.

    A subscription to a demoted server may wait for ever, since the server need not close it. In a
    cluster, which passes a message on to all nodes, it uses any primary that can be reached.
    """

    def __init__(self, owner: "RoutedClient", **options: Any) -> None:
        super().__init__(owner.connection_pool, **options)
        self._owner = owner

    async def connect(self) -> None:
        """Connect, or connect again and subscribe to the same channels."""
        if self.connection is None:
            router = await self._owner.router()
            node: Any = self._owner if router is None else await router.reachable_node()
            self.connection_pool = node.connection_pool
            node.failovers.subscriptions.add(self)
        await super().connect()  # type: ignore[no-untyped-call]

    def interrupt(self) -> None:
        """Break the connection if it was made before the last failover."""
        connection: Any = self.connection
        if connection is not None and connection.should_reconnect():
            redis_internals.abort(connection)
