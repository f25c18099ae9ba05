"""Lua scripts run by their digest, also when Redis has lost them."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from chassis.views.scripts import LuaScript
from tests.support.command_counts import calls_of_commands

pytestmark = pytest.mark.stack

INCREMENT = LuaScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")


async def test_a_script_is_sent_once_and_then_run_by_its_digest(redis: Any) -> None:
    await redis.script_flush()
    before = await calls_of_commands(redis)
    assert [await INCREMENT.run(redis, ["n"], [2]) for _ in range(3)] == [2, 4, 6]
    made = await calls_of_commands(redis) - before
    assert (made["evalsha"], made["eval"]) == (3, 1)


async def test_a_batch_repeats_only_the_calls_of_a_lost_script(redis: Any) -> None:
    await redis.script_flush()
    commands = [("INCR", "m"), INCREMENT.command(["n"], [2]), INCREMENT.command(["n"], [3])]
    assert await INCREMENT.run_together(redis, commands) == [1, 2, 5]
    assert await INCREMENT.run_together(redis, commands) == [2, 7, 10]


async def test_a_failing_command_of_a_batch_raises_its_error(redis: Any) -> None:
    await redis.set("text", "words")
    commands = [INCREMENT.command(["text"], [1]), INCREMENT.command(["n"], [1])]
    with pytest.raises(ResponseError, match="not an integer"):
        await INCREMENT.run_together(redis, commands)
    assert await redis.get("n") == b"1"


async def test_no_call_fails_while_the_scripts_are_flushed_again_and_again(redis: Any) -> None:
    """Also if that happens between the first attempt and the second one."""

    class Flushing:
        """A client that empties the cache of scripts before each write."""

        async def execute_many(self, commands: Any) -> Any:
            await redis.script_flush()
            return await redis.execute_many(commands)

        async def evalsha(self, *words: Any) -> Any:
            await redis.script_flush()
            return await redis.evalsha(*words)

        async def eval(self, *words: Any) -> Any:
            await redis.script_flush()
            return await redis.eval(*words)

        async def script_load(self, text: str) -> Any:
            return await redis.script_load(text)

    commands = [INCREMENT.command(["flushed"], [2]), INCREMENT.command(["flushed"], [3])]
    assert await INCREMENT.run_together(Flushing(), commands) == [2, 5]
    assert await INCREMENT.run(Flushing(), ["flushed"], [1]) == 6
