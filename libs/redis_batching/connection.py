"""Open clients with sound defaults: a pool that makes callers wait, and safe connections."""

from pathlib import Path
from typing import Any, Final, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url

from redis_batching.client import BatchingRedis
from redis_batching.cluster import Cluster
from redis_batching.credentials import PasswordFile
from redis_batching.primary_connection import use_primary_connections

MAX_CONNECTIONS: Final = 64
POOL_TIMEOUT_SECONDS: Final = 5.0

Client = TypeVar("Client", bound=Redis)


def connect(
    url: str, *, password_file: str = "", allow_replica: bool = False, **options: Any
) -> BatchingRedis:
    """Return a client for the life of a process; close it with `aclose()`.

    Pipelines and subscriptions take connections of their own from the pool. When all
    `max_connections` are in use, a caller waits up to `timeout` seconds for one. (The default pool
    of redis-py raises at its hundredth connection, which turns a burst into errors.)

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it, with user and password if
            needed; percent-encode characters such as `@`, `/` and `:` in them. Any node of a
            cluster leads to the others; this shows with the first connection.
        password_file: File that contains the password, read again for each new connection; it is
            used instead of the URL's password. Empty: the URL's password.
        allow_replica: Whether the server may be a replica; otherwise connecting to one raises
            `NotPrimary`, a `redis.exceptions.ConnectionError`.
        **options: Options of the pool and its connections; the defaults here are
            `max_connections=64` and `timeout=5.0`.
    """
    settings = {"max_connections": MAX_CONNECTIONS, "timeout": POOL_TIMEOUT_SECONDS} | options
    settings |= parse_url(url)
    if password_file:
        settings.pop("password", None)
        user = settings.pop("username", "")
        settings["credential_provider"] = PasswordFile(Path(password_file), user)
    pool: Any = BlockingConnectionPool(**settings)
    use_primary_connections(pool, allow_replica=allow_replica, allow_replica_in_cluster=True)
    client: Any = BatchingRedis.from_pool(pool)
    client.open_cluster = lambda: Cluster(settings)
    return cast("BatchingRedis", client)


def cancellation_safe(client: Client) -> Client:
    """Return the same client, with the connections that `connect` uses.

    They lose no cancellation, lead to a primary, and are made again after a failover, see
    `redis_batching.primary_connection`. Call this before the first command.
    """
    use_primary_connections(client.connection_pool)
    return client
