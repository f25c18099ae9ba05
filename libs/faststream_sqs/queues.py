"""Resolve queues to URLs once, and again when a queue was replaced."""

import asyncio
import json
from typing import Any

from faststream_sqs.client import SQSClient
from faststream_sqs.schemas import QueueRef, parse_ref


class QueueDirectory:
    """Resolve names, URLs and ARNs, and cache attributes; concurrent lookups share a call."""

    def __init__(self, client: SQSClient) -> None:
        self._client = client
        self._known: dict[str, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def url(self, queue: str) -> str:
        """Return the URL of a queue by its name, URL or ARN; the result is cached.

        Raises:
            ClientError: of the code `AWS.SimpleQueueService.NonExistentQueue` if there is none.
        """
        ref = parse_ref(queue)
        if ref.url is not None:
            return ref.url
        url: str = await self._once(f"url {queue}", self._find, ref)
        return url

    async def attributes(self, url: str) -> dict[str, str]:
        """Return all attributes of a queue, as of the first lookup."""
        attributes: dict[str, str] = await self._once(f"attributes {url}", self._attributes, url)
        return attributes

    async def dead_letter_url(self, url: str) -> str | None:
        """Return where the redrive policy of a queue points, None without a policy."""
        policy = (await self.attributes(url)).get("RedrivePolicy")
        if not policy:
            return None
        return await self.url(json.loads(policy)["deadLetterTargetArn"])

    def forget(self, queue: str) -> None:
        """Drop the cached lookup: the queue was deleted, or its policy has changed."""
        url = self._known.pop(f"url {queue}", None)
        self._known.pop(f"attributes {queue}", None)
        if url is not None and url.done() and not url.cancelled() and url.exception() is None:
            self._known.pop(f"attributes {url.result()}", None)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._known.clear()

    async def _find(self, ref: QueueRef) -> str:
        owner = {"QueueOwnerAWSAccountId": ref.account_id} if ref.account_id else {}
        reply = await self._client.call("get_queue_url", QueueName=ref.name, **owner)
        return str(reply["QueueUrl"])

    async def _attributes(self, url: str) -> dict[str, str]:
        reply = await self._client.call(
            "get_queue_attributes", QueueUrl=url, AttributeNames=["All"]
        )
        return reply.get("Attributes") or {}

    async def _once(self, key: str, ask: Any, *args: Any) -> Any:
        answer = self._known.get(key)
        if answer is None:
            task = asyncio.get_running_loop().create_task(ask(*args))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            answer = self._known[key] = task
        try:
            # a caller who gives up must not take the answer from the others
            return await asyncio.shield(answer)
        except Exception:
            if self._known.get(key) is answer:
                del self._known[key]
            raise
