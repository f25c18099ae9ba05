"""Call SQS through aiobotocore: two connection pools, one retry policy, plain errors."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    ParamValidationError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError
from faststream.exceptions import IncorrectState

_THROTTLED = frozenset(
    {
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "InternalError",
        "InternalFailure",
        "KmsThrottled",
    }
)
_CALLER_REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_SERVER_ERROR = 500
_ATTEMPTS = 8
# a receive pool is never to be the reason for waiting: one connection per poller, without end
_UNLIMITED = 0
_LONGEST_POLL = 20


def error_code(error: BaseException) -> str:
    """Return the error code of the service, or an empty string for any other error."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""


def is_missing_queue(error: BaseException) -> bool:
    return error_code(error).rpartition("#")[2] in _MISSING


def is_throttled(code: str) -> bool:
    """Return whether an error code, of a call or an entry, says that a repetition may succeed."""
    return code.rpartition("#")[2].rpartition(".")[2] in _THROTTLED


def may_be_one_entry(error: BaseException) -> bool:
    """Return whether a batch call may have failed only because of one of its entries."""
    if is_transient(error) or is_missing_queue(error):
        return False
    if isinstance(error, ClientError):
        return error_code(error).rpartition("#")[2] not in _CALLER_REFUSED
    # an entry that botocore refuses or cannot serialise
    return isinstance(error, ParamValidationError | TypeError | ValueError | AttributeError)


def is_transient(error: BaseException) -> bool:
    """Return whether the same call may succeed later: throttling, resets, 5xx."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return is_throttled(error_code(error)) or status >= _SERVER_ERROR
    return isinstance(
        error,
        HTTPClientError
        | BotoConnectionError
        | ResponseParserError
        | aiohttp.ClientError
        | OSError
        | TimeoutError,
    )


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield pauses in seconds that double up to `longest`, each with up to 25 % jitter."""
    pause = first
    while True:
        yield pause * random.uniform(0.75, 1.0)  # noqa: S311 - jitter, not cryptography
        pause = min(pause * 2, longest)


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """Hold how to reach SQS; an option of None follows botocore's own chain."""

    endpoint_url: str | None = None
    region_name: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    session: Any = None
    client_config: Any = None
    max_pool_connections: int | None = None

    def client_kwargs(self) -> dict[str, Any]:
        named = {
            "endpoint_url": self.endpoint_url,
            "region_name": self.region_name,
            "aws_access_key_id": self.aws_access_key_id,
            "aws_secret_access_key": self.aws_secret_access_key,
            "aws_session_token": self.aws_session_token,
        }
        return {name: value for name, value in named.items() if value is not None}

    def config(self, *, receiving: bool) -> AioConfig:
        """Return the settings of this library overridden by the user's; botocore must not retry."""
        settings: dict[str, Any] = {
            "retries": {"mode": "standard", "total_max_attempts": 1},
            "connect_timeout": 5,
            "read_timeout": _LONGEST_POLL + 10 if receiving else 15,
            "max_pool_connections": self.max_pool_connections or 32,
            "user_agent": "faststream-sqs",
            "parameter_validation": False,
        }
        connector: dict[str, Any] | None = None
        if self.client_config is not None:
            settings |= getattr(self.client_config, "_user_provided_options", None) or {}
            connector = getattr(self.client_config, "connector_args", None)
        if receiving:
            settings["max_pool_connections"] = _UNLIMITED
            settings["read_timeout"] = max(settings["read_timeout"] or 0, _LONGEST_POLL + 10)
        return AioConfig(connector, **settings)


class SQSClient:
    """Hold two botocore clients: one for receives, which wait, and one for everything else.

    A long poll occupies its connection for up to 20 s. With one pool for all, ten idle
    subscribers would leave no connection for a publish.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._stack: AsyncExitStack | None = None
        self._calls: Any = None
        self._receives: Any = None

    async def open(self) -> None:
        session = self._options.session or get_session()
        create = getattr(session, "create_client", None) or session.client
        kwargs = self._options.client_kwargs()
        async with AsyncExitStack() as stack:
            config = self._options.config(receiving=False)
            self._calls = await stack.enter_async_context(create("sqs", config=config, **kwargs))
            config = self._options.config(receiving=True)
            self._receives = await stack.enter_async_context(create("sqs", config=config, **kwargs))
            self._stack = stack.pop_all()

    async def close(self) -> None:
        stack, self._stack = self._stack, None
        self._calls = self._receives = None
        if stack is not None:
            await stack.aclose()

    async def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call an operation by its snake_case name; transient failures are retried.

        Eight attempts over about ten seconds; then the last error is raised.
        """
        pauses = backoff(0.1, 5.0)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self.call_once(operation, **params)
            except Exception as error:
                if attempt == _ATTEMPTS or not is_transient(error):
                    raise
                await asyncio.sleep(next(pauses))
        raise AssertionError("unreachable")

    async def call_once(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Call an operation once, without retries."""
        if self._calls is None:
            raise IncorrectState("the SQS broker is not connected: call connect() or start()")
        reply: dict[str, Any] = await getattr(self._calls, operation)(**params)
        return reply

    async def receive(self, **params: Any) -> list[dict[str, Any]]:
        """Receive once, on a separate connection pool; the caller backs off."""
        if self._receives is None:
            raise IncorrectState("the SQS broker is not connected: call connect() or start()")
        reply = await self._receives.receive_message(**params)
        return reply.get("Messages") or []
