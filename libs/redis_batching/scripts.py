"""Run a Lua script by its digest, and with its text when Redis does not have it."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError


class RegisteredScript(AsyncScript):
    """Extend redis-py's script: a second loss of the script, after it was loaded, does not matter.

    redis-py loads a missing script and runs it by its digest again: two steps, between which the
    script can be lost once more.
    """

    async def __call__(
        self,
        keys: Sequence[Any] | None = None,
        args: Iterable[Any] | None = None,
        client: Any = None,
    ) -> Any:
        """Run the script and return its reply.

        Raises:
            RedisError: The script failed, or Redis cannot be reached.
        """
        redis: Any = client or self.registered_client
        keys, args = keys or (), tuple(args or ())
        if isinstance(redis, Pipeline):
            return await super().__call__(keys, args, redis)
        try:
            return await redis.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.eval(self.script, len(keys), *keys, *args)
