"""The signing keys of one user pool: fetched without blocking, kept through outages."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

COOL_DOWN_SECONDS: Final = 10.0
"""At most one fetch in this time, however many unknown key ids arrive and whether it worked.

A process that has no keys yet begins with a pause of one second, and doubles it.
"""
REFRESH_SECONDS: Final = 3600.0
"""A key that the pool withdraws is trusted no longer than this."""
FETCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=3, connect=1.5)
MAX_JWKS_BYTES: Final = 65_536
MIN_KEY_BITS: Final = 2048

log = structlog.get_logger(__name__)

Fetch = Callable[[], Awaitable[bytes]]


class KeysUnavailable(Exception):  # noqa: N818  names what happened
    """Whether a token is good cannot be told now: its issuer does not answer."""


def fetch_from(session: aiohttp.ClientSession, url: str) -> Fetch:
    """Fetches a JWKS document; its size and time are bounded, redirects are not followed."""

    async def fetch() -> bytes:
        async with session.get(url, timeout=FETCH_TIMEOUT, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise ValueError(f"HTTP status {response.status}")
            body = b""
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError(f"more than {MAX_JWKS_BYTES} bytes")
            return body

    return fetch


def parse_jwks(document: bytes) -> dict[str, RSAPublicKey]:
    """Key id -> RSA signature key. Keys of other kinds are passed over.

    Raises:
        ValueError: this is no key set, or it holds no key that we could use.
    """
    try:
        rows = orjson.loads(document)["keys"]
        keys = {row["kid"]: _key(row) for row in rows if _usable(row)}
    except (AttributeError, KeyError, TypeError, PyJWTError) as error:
        raise ValueError("not a JSON Web Key Set") from error
    if not keys:
        raise ValueError("no RSA signature key in it")
    return keys


def _usable(row: dict[str, Any]) -> bool:
    return (
        row["kty"] == "RSA"
        and row.get("use", "sig") == "sig"
        and row.get("alg", "RS256") == "RS256"
        and isinstance(row["kid"], str)
    )


def _key(row: dict[str, Any]) -> RSAPublicKey:
    public = {name: row[name] for name in ("kty", "n", "e")}
    key = PyJWK(public, algorithm="RS256").key
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise ValueError(f"an RSA key of fewer than {MIN_KEY_BITS} bits")
    return key


@dataclass(slots=True)
class KeySet:
    """The keys of one pool, by key id."""

    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    fetches: int = 0
    """How often the issuer was asked, successful or not."""
    generation: int = 0
    """Grows whenever the keys change: what was verified with older keys counts no more."""
    _keys: Mapping[str, RSAPublicKey] = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _failures: int = 0
    """One after the other, so far."""
    _fetching: "asyncio.Task[None] | None" = None

    @property
    def known(self) -> bool:
        return bool(self._keys)

    def snapshot(self) -> Mapping[str, RSAPublicKey]:
        return self._keys

    async def with_key(self, kid: str) -> Mapping[str, RSAPublicKey]:
        """The keys, after a look for `kid` at the issuer if it is not among them.

        Raises:
            KeysUnavailable: not found, and the issuer could not be asked.
        """
        if kid not in self._keys:
            await self.refresh()
        if kid not in self._keys and self._failures:
            raise KeysUnavailable("the issuer of this token does not answer")
        return self._keys

    async def refresh(self) -> None:
        """Fetch, unless a fetch was begun a short time ago; one at a time, all wait for it."""
        if self._fetching is None:
            if self.clock() - self._asked_at < self._cool_down():
                return
            self._asked_at = self.clock()
            self._fetching = asyncio.create_task(self._fetch_once(), name="jwks-fetch")
        await asyncio.shield(self._fetching)

    async def keep_fresh(self) -> None:
        """Fetch now and from time to time, for ever; run as a task."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._cool_down() if self._failures else REFRESH_SECONDS)

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching

    def _cool_down(self) -> float:
        if self._keys or not self._failures:
            return COOL_DOWN_SECONDS
        return min(2.0 ** (self._failures - 1), COOL_DOWN_SECONDS)

    async def _fetch_once(self) -> None:
        self.fetches += 1
        try:
            keys = parse_jwks(await self.fetch())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._failures += 1
            log.warning("jwks_fetch_failed", because=str(error) or type(error).__name__)
        else:
            self._failures = 0
            self._replace(keys)
        finally:
            self._fetching = None

    def _replace(self, keys: Mapping[str, RSAPublicKey]) -> None:
        if _numbers(keys) != _numbers(self._keys):
            self.generation += 1
            log.info("jwks_changed", keys=len(keys))
        self._keys = keys


def _numbers(keys: Mapping[str, RSAPublicKey]) -> dict[str, Any]:
    return {kid: key.public_numbers() for kid, key in keys.items()}
