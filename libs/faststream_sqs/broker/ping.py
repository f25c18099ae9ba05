"""Find out whether SQS is reachable."""

import asyncio

from faststream_sqs.client import SQSClient, error_code, is_transient

_DENIED = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "ExpiredTokenException",
        "MissingAuthenticationToken",
        "IncompleteSignature",
    }
)
"""Error codes of rejected credentials."""


async def is_reachable(client: SQSClient, queue: str, timeout: float) -> bool:  # noqa: ASYNC109 - a deadline for all of it
    """Return whether SQS answers a lookup of the queue and accepts the credentials.

    A lookup that fails for another reason, such as a missing queue, is an answer.
    """
    try:
        async with asyncio.timeout(timeout):
            await client.call_once("get_queue_url", QueueName=queue)
    except Exception as error:  # noqa: BLE001 - any failure is an answer here
        return bool(error_code(error)) and not is_transient(error) and not _is_denied(error)
    return True


def _is_denied(error: BaseException) -> bool:
    return error_code(error).rpartition("#")[2] in _DENIED
