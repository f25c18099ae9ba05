"""Create or check the queues of a broker when it starts."""

import asyncio
import json
import logging
from collections.abc import Callable, Collection

from botocore.exceptions import ClientError
from faststream.exceptions import SetupError

from faststream_sqs.client import error_code, is_missing_queue
from faststream_sqs.connection import SQSConnection
from faststream_sqs.schemas import Declare, SQSQueue

Report = Callable[[int, str, SQSQueue], None]
_EXISTS = frozenset({"QueueAlreadyExists", "QueueNameExists"})


async def prepare_queues(
    connection: SQSConnection, queues: Collection[SQSQueue], declare: Declare, report: Report
) -> None:
    """Declare or look up every queue once, all at the same time.

    Raises:
        SetupError: if a queue to declare exists with other attributes.
    """
    named = {queue.name: queue for queue in sorted(queues, key=_detail)}
    await asyncio.gather(
        *(_prepare(connection, queue, declare, report) for queue in named.values())
    )
    connection.prepared |= named.keys()


async def declare_late(connection: SQSConnection, queue: SQSQueue, declare: Declare) -> None:
    """Declare the queue of an endpoint that was added after the start, or is used without one.

    Raises:
        SetupError: if it is to be declared and exists with other attributes.
    """
    wanted = declare if queue.declare is None else queue.declare
    if wanted is not True or queue.name in connection.prepared:
        return
    async with connection.preparing:
        if queue.name not in connection.prepared:
            await _create(connection, queue)
            connection.prepared.add(queue.name)


def _detail(queue: SQSQueue) -> int:
    """Order plain names first, so that the spelling with attributes decides."""
    return len(queue.create_attributes()) + (queue.dead_letter_queue is not None)


async def _prepare(
    connection: SQSConnection, queue: SQSQueue, declare: Declare, report: Report
) -> None:
    wanted = declare if queue.declare is None else queue.declare
    if wanted is True:
        await _create(connection, queue)
    elif wanted == "passive":
        await _look(connection, queue, report)


async def _create(connection: SQSConnection, queue: SQSQueue) -> str:
    """Create a queue, its dead-letter queue first; an identical one is left alone."""
    attributes = queue.create_attributes(await _dead_letter_arn(connection, queue))
    try:
        reply = await connection.client.call(
            "create_queue",
            QueueName=queue.name,
            Attributes=attributes,
            **({"tags": dict(queue.tags)} if queue.tags else {}),
        )
    except ClientError as error:
        if error_code(error).rpartition(".")[2] in _EXISTS or "already exists" in str(error):
            differing = await _differences(connection, queue, attributes)
            raise SetupError(
                f"queue {queue.name} exists with other attributes ({differing}); "
                "it is never altered: change the declaration or the queue"
            ) from error
        raise
    connection.queues.forget(queue.name)
    return str(reply["QueueUrl"])


async def _dead_letter_arn(connection: SQSConnection, queue: SQSQueue) -> str | None:
    target = queue.dead_letter_queue
    if target is None:
        return None
    if isinstance(target, str):
        if target.startswith("arn:"):
            return target
        url = await connection.queues.url(target)
    else:
        url = await _create(connection, target)
    return (await connection.queues.attributes(url))["QueueArn"]


async def _look(connection: SQSConnection, queue: SQSQueue, report: Report) -> None:
    try:
        await connection.queues.url(queue.name)
    except Exception as error:  # noqa: BLE001 - a service starts without its queues and waits
        reason = "does not exist" if is_missing_queue(error) else f"cannot be looked up: {error!r}"
        report(logging.ERROR, f"queue {queue.name} {reason}", queue)
        return
    if wanted := queue.create_attributes():
        wanted.pop("FifoQueue", None)
        if wanted and (differing := await _differences(connection, queue, wanted)):
            report(logging.WARNING, f"queue {queue.name} differs: {differing}", queue)


async def _differences(connection: SQSConnection, queue: SQSQueue, wanted: dict[str, str]) -> str:
    try:
        found = await connection.queues.attributes(await connection.queues.url(queue.name))
    except Exception as error:  # noqa: BLE001 - returned to the caller
        return f"they cannot be read: {error!r}"
    return ", ".join(
        f"{name} is {found.get(name, 'unset')}, wanted {value}"
        for name, value in wanted.items()
        if not _same(found.get(name), value)
    )


def _same(found: str | None, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return found is not None and _plain(json.loads(found)) == _plain(json.loads(wanted))
    except ValueError:
        return False


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: str(inner) for name, inner in value.items()}
    return value
