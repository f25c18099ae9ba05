"""kill -9 of a consumer at random moments under load.

`SQS_KILL_ROUNDS` sets the rounds: 2 in the normal run, 20 for the long one.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from faststream_sqs.tests.scripted import SQSModel, serve

ROUNDS = int(os.environ.get("SQS_KILL_ROUNDS", "2"))
GROUPS = 5
PER_ROUND = 120
VISIBILITY = 2
LIBS = Path(__file__).resolve().parents[2]


@pytest.mark.stack
async def test_a_killed_consumer_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    chance = random.Random(7)
    journal = tmp_path / "journal"
    async with serve(SQSModel(latency=0)) as model:
        model.create("jobs.fifo", VisibilityTimeout=VISIBILITY, ContentBasedDeduplication="true")
        sent = 0
        for _ in range(ROUNDS):
            consumer = await _consumer(model, journal)
            for _ in range(PER_ROUND):
                group = chance.randrange(GROUPS)
                model.put("jobs.fifo", f"{group}:{sent}", f"g{group}")
                sent += 1
            target = len(model.bodies("jobs.fifo")) - chance.randrange(20, PER_ROUND - 20)
            await model.until(lambda: len(model.bodies("jobs.fifo")) <= target)  # noqa: B023
            consumer.send_signal(signal.SIGKILL)
            await consumer.wait()
            for message in model.in_flight("jobs.fifo"):
                left = message.visible_at - asyncio.get_running_loop().time()
                assert left <= VISIBILITY
        consumer = await _consumer(model, journal)
        await model.until(lambda: not model.bodies("jobs.fifo"))
        consumer.kill()
        await consumer.wait()
    _judge(journal, sent)


async def _consumer(model: SQSModel, journal: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("consumer.py")),
        model.url,
        str(journal),
        str(GROUPS),
        env={**os.environ, "PYTHONPATH": str(LIBS)},
    )


def _judge(journal: Path, sent: int) -> None:
    handled = [line.split(":") for line in journal.read_text().splitlines()]
    numbers = Counter(int(number) for _, number in handled)
    assert sorted(numbers) == list(range(sent))
    for group in range(GROUPS):
        order = [int(number) for owner, number in handled if owner == str(group)]
        assert all(earlier <= later for earlier, later in pairwise(order))
    repeated = sum(numbers.values()) - sent
    # at most what was in work when a consumer died
    assert repeated <= ROUNDS * GROUPS
