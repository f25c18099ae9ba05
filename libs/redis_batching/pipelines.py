"""Execute redis-py's pipelines on a single server and on a cluster."""

from typing import TYPE_CHECKING, Any

from redis.asyncio.client import Pipeline

if TYPE_CHECKING:
    from redis_batching.routing import RoutedClient


class RoutedPipeline(Pipeline):
    """Extend redis-py's pipeline: in a cluster its commands go to the nodes of their keys.

    The keys of a transaction must be in one hash slot. `WATCH` works on a single server only.
    """

    owner: "RoutedClient"

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  redis-py's
        """Execute all commands and return their replies in order.

        Raises:
            RedisError: A command failed, or a node cannot be reached.
        """
        router = await self.owner.router()
        if router is None:
            self.owner.raise_if_unanswered()
            return await super().execute(raise_on_error)
        stack: list[Any] = self.command_stack
        self.command_stack = []
        if self.is_transaction:
            return await router.execute_transaction(stack, raise_on_error=raise_on_error)
        replies = await router.execute_raw([command for command, _ in stack])
        parsed = [
            self.owner.parse_reply(command[0], options, reply)
            for (command, options), reply in zip(stack, replies, strict=True)
        ]
        if raise_on_error:
            self.raise_first_error(stack, parsed)
        return parsed
