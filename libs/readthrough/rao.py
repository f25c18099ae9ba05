"""Redis Access Object: cache values by primary key."""

import os
from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.asyncio import Redis

TTE_SECONDS: Final = 1800


class RAO:
    """Cache one value for each primary key, under a common prefix, for a limited time.

    Every method raises `redis.exceptions.RedisError` while Redis is unavailable.

    Args:
        prefix: Start of all keys; for a cache in front of a table, the name of the table.
        client_url: A host name or a `redis://`, `rediss://` or `unix://` URL. Default: the
            environment variable `REDIS_URL`, else 127.0.0.1.
        client_port: Default: the environment variable `REDIS_PORT`, else 6379. Ignored if
            `client_url` is a URL.
        tte: Time to expiry, in seconds.
        client: An open `redis.asyncio` client to use instead; it must return bytes, and its owner
            closes it.
    """

    def __init__(
        self,
        prefix: str,
        client_url: str | None = None,
        client_port: int | None = None,
        *,
        tte: int = TTE_SECONDS,
        client: Any = None,
    ) -> None:
        self.prefix = prefix
        self.tte = tte
        self._owned = client is None
        self.client: Any = client or Redis.from_url(_url(client_url, client_port))

    async def aclose(self) -> None:
        """Close the client, unless it was passed in."""
        if self._owned:
            await self.client.aclose()

    def generate_key(self, pk: str) -> str:
        """Return the Redis key of a primary key: `<prefix>_<pk>`."""
        return f"{self.prefix}_{pk}"

    async def store(self, pk: str, data: Mapping[str, Any]) -> None:
        """Store a dictionary as JSON, for `tte` seconds."""
        await self.store_bytes(pk, orjson.dumps(data))

    async def retrieve(self, pk: str) -> dict[str, Any] | None:
        """Return the dictionary, or None if there is none or it has expired."""
        raw = await self.retrieve_bytes(pk)
        if raw is None:
            return None
        data: dict[str, Any] = orjson.loads(raw)
        return data

    async def store_bytes(self, pk: str, raw: bytes) -> None:
        """Store bytes as they are, for `tte` seconds."""
        await self.client.set(self.generate_key(pk), raw, ex=self.tte)

    async def retrieve_bytes(self, pk: str) -> bytes | None:
        """Return the stored bytes without decoding them, or None."""
        raw: bytes | None = await self.client.get(self.generate_key(pk))
        return raw

    async def forget(self, pk: str) -> None:
        """Delete the value of a primary key; it is not an error if there is none."""
        await self.client.delete(self.generate_key(pk))


def _url(url: str | None, port: int | None) -> str:
    server = url or os.environ.get("REDIS_URL") or "127.0.0.1"
    if "://" in server:
        return server
    return f"redis://{server}:{port or int(os.environ.get('REDIS_PORT') or 6379)}"
