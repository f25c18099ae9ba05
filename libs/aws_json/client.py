"""Make the frequent calls of a client of aiobotocore for a fraction of the CPU."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Final

from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError

from aws_json import botocore_internals as internals
from aws_json.botocore_internals import Failure
from aws_json.clock import Clock
from aws_json.http import REDIRECTED, Response, Target, damage_of
from aws_json.operation import Operation
from aws_json.signature import Signer

METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "dynamodb": ("get_item", "query", "scan", "put_item", "transact_write_items"),
    "sqs": (
        "send_message",
        "send_message_batch",
        "receive_message",
        "delete_message_batch",
        "change_message_visibility",
        "change_message_visibility_batch",
    ),
}
"""Service -> methods that `JsonClient` replaces."""
_RETRY_QUOTA: Final = 500
"""Successes after which botocore's retry policy has recovered from any number of failures."""
_TABLE_BY_ARN: Final = b'"TableName":"arn:'


class JsonClient:
    """Call the operations in `METHODS` directly, and everything else through `client`.

    Parameters, replies and errors are those of `client`, and so are credentials, endpoint,
    connections, timeouts and retries. Parameters are not validated.

    Args:
        client: An open client of aiobotocore or aioboto3, whose owner closes it.

    Raises:
        ValueError: The client signs, retries or connects in a way that is not supported.
    """

    def __init__(self, client: Any) -> None:
        internals.refuse_unsupported(client)
        self._client = client
        self._clock = Clock()
        self._unreported = 0
        """Successes that the retry policy does not know of yet."""
        self._prepared: dict[str, tuple[Any, Target, Signer]] = {}
        """Operation -> (credentials, target, signer)."""
        service = client.meta.service_model
        names = client.meta.method_to_api_mapping
        for method in METHODS[service.service_name]:
            operation = Operation(method, service.operation_model(names[method]))
            setattr(self, method, partial(self._call, operation))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def _call(self, operation: Operation, /, **parameters: Any) -> dict[str, Any]:
        body = operation.encode(parameters)
        if _TABLE_BY_ARN in body:  # the ARN may have an account with an endpoint of its own
            reply: dict[str, Any] = await getattr(self._client, operation.method)(**parameters)
            return reply
        context: dict[str, Any] = {}  # what botocore's retry policy remembers of a call
        attempt = 1
        corrected = False
        while True:
            target, signer = await self._prepare(operation, parameters)
            outcome = await self._attempt(operation, target, signer, body)
            if isinstance(outcome, Response):
                await self._succeed(operation, target, outcome, context)
                return operation.decode(outcome, attempt - 1)
            if not corrected and self._clock.correct(outcome.code, outcome.date):
                corrected = True
                continue
            if not await internals.needs_retry(self._client, operation, attempt, outcome, context):
                raise await internals.error_of(
                    self._client, operation, outcome, context, attempt - 1
                )
            self._unreported = _RETRY_QUOTA
            attempt += 1

    async def _prepare(self, operation: Operation, parameters: Any) -> tuple[Target, Signer]:
        credentials = await internals.credentials_of(self._client)
        prepared = self._prepared.get(operation.name)
        if prepared is None or prepared[0] != credentials:
            made = await internals.target_and_signer(
                self._client, operation, parameters, credentials
            )
            prepared = self._prepared[operation.name] = (credentials, *made)
        return prepared[1:]

    async def _attempt(
        self, operation: Operation, target: Target, signer: Signer, body: bytes
    ) -> Response | Failure:
        session = await internals.session_of(self._client, target)
        try:
            response = await target.post(session, signer.sign(body, self._clock.now()), body)
        except BotoCoreError as error:
            return Failure(error=error)
        damage = damage_of(response)
        if response.status < REDIRECTED and damage is None:
            return response
        return await internals.failure_of(
            self._client, operation, str(target.url), response, damage
        )

    async def _succeed(
        self, operation: Operation, target: Target, response: Response, context: dict[str, Any]
    ) -> None:
        if self._unreported:
            self._unreported -= 1
            await internals.report_success(
                self._client, operation, str(target.url), response, context
            )


class JsonSession:
    """Create clients like a session of aiobotocore; those in `METHODS` are a `JsonClient`.

    Args:
        session: A session of aiobotocore or aioboto3. Default: a new one.
    """

    def __init__(self, session: Any = None) -> None:
        self._session = session or get_session()
        self._create: Final = getattr(self._session, "create_client", None) or self._session.client

    def create_client(self, service_name: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        """Return a context that opens and closes a client; the options are aiobotocore's."""
        return self._open(service_name, options)

    @asynccontextmanager
    async def _open(self, service_name: str, options: dict[str, Any]) -> AsyncIterator[Any]:
        async with self._create(service_name, **options) as client:
            yield JsonClient(client) if service_name in METHODS else client
