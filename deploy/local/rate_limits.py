"""Raise the rate limits per address of the local stack, whose clients share one address."""

import urllib.request
from typing import Final
from urllib.error import HTTPError, URLError

from redis import Redis

from deploy.local.provision import wait_for
from gateway.limits.table import LIMIT_OVERRIDES, default_limits
from token_bucket import Limit, Scope

SHARED: Final = (Scope.ADDRESS, Scope.GLOBAL)
SHOWING_PATH: Final = "/v1/chains"
SHOWN_LIMIT: Final = "documents"
"""A limit per address that responses of this path show to every caller."""
CONNECTIONS: Final = 16
"""How many connections in a row must show a limit: each of several workers gets some of them."""
SECONDS: Final = 30.0


def raise_limits(redis_url: str, times: int) -> list[str]:
    """Allow `times` as many requests per address, and in all; 1 restores the limits.

    Gateways that start afterwards enforce these limits from the first request, and running ones
    within seconds (see `wait_until_enforced`). Return a line for each limit.
    """
    limits = _limits(times)
    with Redis.from_url(redis_url) as redis:
        if times == 1:
            redis.hdel(LIMIT_OVERRIDES, *(limit.name for limit in limits))
        else:
            overrides = {limit.name: f"{limit.quantity}/{limit.window}" for limit in limits}
            redis.hset(LIMIT_OVERRIDES, mapping=overrides)
    return [f"{limit.name}: {limit.quantity} in {limit.window} s" for limit in limits]


def wait_until_enforced(gateway_url: str, times: int, seconds: float = SECONDS) -> bool:
    """Wait until a running gateway enforces limits that `raise_limits` has stored.

    Return False if no gateway runs.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    (shown,) = (limit for limit in _limits(times) if limit.name == SHOWN_LIMIT)
    url = f"{gateway_url}{SHOWING_PATH}"
    try:
        wait_for("the limits", lambda: _all_show(url, shown), seconds, pause=0.1)
    except ConnectionRefusedError:
        return False
    return True


def _limits(times: int) -> list[Limit]:
    limits = (limit for limit in default_limits().limits.values() if limit.scope in SHARED)
    return [limit.overridden(f"{times * limit.quantity}/{limit.window}") for limit in limits]


def _all_show(url: str, limit: Limit) -> bool:
    return all(limit.policy_header in _policies(url) for _ in range(CONNECTIONS))


def _policies(url: str) -> str:
    """Return the header `RateLimit-Policy` of a response, which may be a rejection."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  local addresses
            headers = response.headers
    except HTTPError as rejection:
        headers = rejection.headers
    except URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            raise error.reason from error
        return ""
    except OSError:  # reset, or timed out
        return ""
    return str(headers.get("RateLimit-Policy", ""))
