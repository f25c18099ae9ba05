"""Lua scripts run by their digest, also when Redis has lost them."""

from typing import Any

import pytest
from redis.exceptions import ResponseError

from chassis.views.scripts import LuaScript

pytestmark = pytest.mark.stack

INCREMENT = LuaScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")


async def _calls(redis: Any) -> dict[str, int]:
    stats = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}


async def test_a_script_is_sent_once_and_then_run_by_its_digest(redis: Any) -> None:
    await redis.script_flush()
    before = await _calls(redis)
    assert [await INCREMENT.run(redis, ["n"], [2]) for _ in range(3)] == [2, 4, 6]
    after = await _calls(redis)
    assert after["evalsha"] - before.get("evalsha", 0) == 3
    assert after["eval"] - before.get("eval", 0) == 1


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
