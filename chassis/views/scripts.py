"""Run Lua scripts in Redis by their digest, and send their text when Redis has lost them."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError


class LuaScript:
    """Run one Lua script, sending its digest instead of its text.

    Redis keeps scripts in a cache that a restart, a failover or `SCRIPT FLUSH` empties, and each
    node of a cluster has a cache of its own. A call that finds the script missing is repeated with
    its text, so it succeeds even if the cache is emptied again meanwhile; other errors are the
    caller's.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def load(cls, package: str, file: str) -> "LuaScript":
        """Read the script from a file of a package, such as `("chassis.views", "apply.lua")`."""
        return cls(files(package).joinpath(file).read_text())

    async def run(self, redis: Any, keys: Sequence[str], arguments: Sequence[Any] = ()) -> Any:
        """Run the script and return its reply.

        Raises:
            RedisError: the script failed, or Redis cannot be reached.
        """
        try:
            return await redis.evalsha(self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await redis.eval(self.text, len(keys), *keys, *arguments)

    def command(self, keys: Sequence[str], arguments: Sequence[Any]) -> tuple[Any, ...]:
        """Return the Redis command that runs the script, for `run_together`."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)

    async def run_together(self, redis: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send commands, some of them made by `command`, in one write; return their replies.

        `redis` is a client with `execute_many(commands)`, a `redis_batching.BatchingRedis`.

        Raises:
            RedisError: the first command that failed; the commands after it were carried out.
        """
        replies: list[Any] = await redis.execute_many(commands)
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await redis.execute_many([self._with_text(commands[n]) for n in unknown])
            for number, reply in zip(unknown, again, strict=True):
                replies[number] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def _with_text(self, command: tuple[Any, ...]) -> tuple[Any, ...]:
        if command[:2] != ("EVALSHA", self.sha):
            return command
        return ("EVAL", self.text, *command[2:])
