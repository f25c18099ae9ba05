"""Subscribe to channels on a connection that is replaced after a failover."""

from typing import Any

from redis.asyncio.client import PubSub

from redis_batching import redis_internals


class Subscription(PubSub):
    """Extend redis-py's subscription: it ends with `ConnectionError` when its server was demoted.

    A subscription to a demoted server may wait for ever, since the server need not close it.
    """

    def interrupt(self) -> None:
        """Break the connection if it was made before the last failover."""
        connection: Any = self.connection
        if connection is not None and connection.should_reconnect():
            redis_internals.abort(connection)
