"""Fetch and cache the signing keys of a user pool; known keys survive an outage of the issuer."""

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
"""At most one fetch in this time, however many unknown key ids arrive and whether it succeeded.

A key set that has no keys yet waits 1 second after its first failure, and doubles that up to here.
"""
REFRESH_SECONDS: Final = 3600.0
"""How often `watch` fetches: a key that the pool withdraws is trusted no longer than this."""
FETCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=3, connect=1.5)
MAX_JWKS_BYTES: Final = 65_536
MIN_KEY_BITS: Final = 2048

log = structlog.get_logger(__name__)

Fetch = Callable[[], Awaitable[bytes]]
"""Returns a JWKS document, or raises `aiohttp.ClientError`, `OSError` or `ValueError`."""


class KeysUnavailable(Exception):
    """A token cannot be verified now: its key is not known and the issuer does not answer."""


def jwks_fetcher(session: aiohttp.ClientSession, url: str) -> Fetch:
    """Return a function that fetches a JWKS document by HTTP.

    A fetch takes at most 3 seconds, reads at most `MAX_JWKS_BYTES` and follows no redirect.
    """

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
    """Return the RSA signature keys of a JWKS document by key id; other keys are skipped.

    Raises:
        ValueError: The document is not a key set, an RSA key in it is malformed or has fewer than
            `MIN_KEY_BITS` bits, or it holds no RSA signature key.
    """
    try:
        rows = orjson.loads(document)["keys"]
        keys = {row["kid"]: _key(row) for row in rows if _is_signature_key(row)}
    except (AttributeError, KeyError, TypeError, PyJWTError) as error:
        raise ValueError("not a JSON Web Key Set") from error
    if not keys:
        raise ValueError("no RSA signature key in it")
    return keys


def _is_signature_key(row: dict[str, Any]) -> bool:
    return (
        row["kty"] == "RSA"
        and row.get("use", "sig") == "sig"
        and row.get("alg", "RS256") == "RS256"
        and _may_verify(row.get("key_ops", ["verify"]))
        and isinstance(row["kid"], str)
    )


def _may_verify(operations: object) -> bool:
    """Return whether a key's `key_ops` (RFC 7517, section 4.3) allow it to verify signatures."""
    return isinstance(operations, list) and "verify" in operations


def _key(row: dict[str, Any]) -> RSAPublicKey:
    public = {name: row[name] for name in ("kty", "n", "e")}
    key = PyJWK(public, algorithm="RS256").key
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise ValueError(f"an RSA key of fewer than {MIN_KEY_BITS} bits")
    return key


@dataclass(slots=True)
class KeySet:
    """Hold the signing keys of one user pool by key id; create one for the life of a process."""

    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    fetches: int = 0
    """How many fetches were started, successful or not."""
    generation: int = 0
    """Increases when the keys change: tokens verified with older keys must be verified again."""
    _keys: Mapping[str, RSAPublicKey] = field(default_factory=dict)
    _fetched_at: float = float("-inf")
    _failures: int = 0
    """Consecutive failed fetches."""
    _fetching: "asyncio.Task[None] | None" = None
    _confirmed_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._confirmed_at = self.clock()

    @property
    def age_seconds(self) -> float:
        """Seconds since the last successful fetch; before the first one, since the creation."""
        return self.clock() - self._confirmed_at

    @property
    def loaded(self) -> bool:
        """Whether any key is known."""
        return bool(self._keys)

    def snapshot(self) -> Mapping[str, RSAPublicKey]:
        """Return the known keys without fetching."""
        return self._keys

    async def keys_for(self, kid: str) -> Mapping[str, RSAPublicKey]:
        """Return the known keys, after a fetch if `kid` is not among them.

        The result does not contain `kid` if the issuer does not publish such a key, or if the
        cool-down after the last fetch is not over.

        Raises:
            KeysUnavailable: `kid` is not known and the last fetch failed.
        """
        if kid not in self._keys:
            await self.refresh()
        if kid not in self._keys and self._failures:
            raise KeysUnavailable("the issuer of this token does not answer")
        return self._keys

    async def refresh(self) -> None:
        """Fetch the keys unless the cool-down is running; concurrent callers share one fetch.

        A failed fetch is logged, counted and not raised.
        """
        if self._fetching is None:
            if self.clock() - self._fetched_at < self._cool_down():
                return
            self._fetched_at = self.clock()
            self._fetching = asyncio.create_task(self._fetch_once(), name="jwks-fetch")
        await asyncio.shield(self._fetching)

    async def watch(self) -> None:
        """Fetch now and every `REFRESH_SECONDS`; run as a task, never returns."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._cool_down() if self._failures else REFRESH_SECONDS)

    async def close(self) -> None:
        """Cancel a running fetch and wait for its end."""
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
            self._confirmed_at = self.clock()
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
