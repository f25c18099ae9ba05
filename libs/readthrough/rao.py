"""Redis Access Object: a cache in front of a table."""

import os
from collections.abc import Mapping
from typing import Any, Final

import orjson
from redis.asyncio import Redis

TTE_SECONDS: Final = 1800


class RAO:
    """Keeps what belongs to primary keys for a while, under a prefix of its own.

    Args:
        prefix: What all keys begin with; for a cache in front of a table, the table's name.
        client_url: A host name, or a whole `redis://` URL. Default: `REDIS_URL`, else localhost.
        client_port: Default: `REDIS_PORT`, else 6379; of no account beside a whole URL.
        tte: Time to expiry, in seconds.
        client: An open client that answers in bytes; it stays its owner's to close.
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
        if self._owned:
            await self.client.aclose()

    def generate_key(self, pk: str) -> str:
        return f"{self.prefix}_{pk}"

    async def store(self, pk: str, data: Mapping[str, Any]) -> None:
        """Keep a dictionary, as JSON, for `tte` seconds."""
        await self.store_bytes(pk, orjson.dumps(data))

    async def retrieve(self, pk: str) -> dict[str, Any] | None:
        """The dictionary; None if there is none, or it has expired."""
        raw = await self.retrieve_bytes(pk)
        if raw is None:
            return None
        data: dict[str, Any] = orjson.loads(raw)
        return data

    async def store_bytes(self, pk: str, raw: bytes) -> None:
        await self.client.set(self.generate_key(pk), raw, ex=self.tte)

    async def retrieve_bytes(self, pk: str) -> bytes | None:
        """As it was stored, undecoded: one round trip and nothing else."""
        raw: bytes | None = await self.client.get(self.generate_key(pk))
        return raw

    async def forget(self, pk: str) -> None:
        await self.client.delete(self.generate_key(pk))


def _url(url: str | None, port: int | None) -> str:
    where = url or os.environ.get("REDIS_URL") or "127.0.0.1"
    if "://" in where:
        return where
    return f"redis://{where}:{port or int(os.environ.get('REDIS_PORT') or 6379)}"
