"""What a naive SQS transport gets wrong, under virtual time."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from faststream.middlewares import AckPolicy

from faststream_sqs import SQSBroker
from faststream_sqs.tests.scripted import SQSModel
from faststream_sqs.tests.support import broker_of, current
from faststream_sqs.tests.warp import warp


def test_stop_gives_back_what_was_not_started() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=30)
        broker = broker_of(model)
        started, finish = asyncio.Event(), asyncio.Event()

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            started.set()
            await finish.wait()

        for number in range(10):
            model.put("jobs", str(number))
        await broker.start()
        await started.wait()
        stopping = asyncio.create_task(broker.stop())
        await model.until(lambda: len(model.visible("jobs")) == 9)
        finish.set()
        await stopping
        assert len(model.visible("jobs")) == 9
        assert model.in_flight("jobs") == []

    warp(main)


def test_a_failed_message_stops_its_group_until_it_succeeds() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        broker = broker_of(model)
        done: list[int] = []
        failures = iter([True])

        @broker.subscriber("jobs.fifo", retry_delay=0, wait_time_seconds=1)
        async def handle(body: int) -> None:
            if body == 1 and next(failures, False):
                raise ValueError
            done.append(body)
            model.notify()

        for number in range(5):
            model.put("jobs.fifo", str(number), "group")
        await broker.start()
        await model.until(lambda: len(done) == 5)
        await broker.stop()
        assert done == [0, 1, 2, 3, 4]

    warp(main)


def test_groups_run_in_parallel_and_never_overlap_within() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        broker = broker_of(model)
        running: dict[str, int] = {}
        most_groups = 0
        done: dict[str, list[int]] = {}

        @broker.subscriber("jobs.fifo", max_workers=5)
        async def handle(body: int) -> None:
            nonlocal most_groups
            group = current(broker).group_id or ""
            running[group] = running.get(group, 0) + 1
            assert running[group] == 1
            most_groups = max(most_groups, sum(running.values()))
            await asyncio.sleep(0.5)
            running[group] -= 1
            done.setdefault(group, []).append(body)
            model.notify()

        for number in range(30):
            model.put("jobs.fifo", str(number), f"g{number % 5}")
        await broker.start()
        await model.until(lambda: sum(map(len, done.values())) == 30)
        await broker.stop()
        assert most_groups == 5
        assert all(bodies == sorted(bodies) for bodies in done.values())

    warp(main)


def test_buffered_messages_are_kept_alive_from_their_receipt() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs", VisibilityTimeout=2)
        handled: list[int] = []

        def consumer() -> SQSBroker:
            broker = broker_of(model)

            @broker.subscriber("jobs")
            async def handle(body: int) -> None:
                await asyncio.sleep(0.8)
                handled.append(body)
                model.notify()

            return broker

        for number in range(8):
            model.put("jobs", str(number))
        brokers = [consumer(), consumer()]
        for broker in brokers:
            await broker.start()
        await model.until(lambda: len(handled) >= 8)
        for broker in brokers:
            await broker.stop()
        assert sorted(handled) == list(range(8))
        assert model.bodies("jobs") == []

    warp(main)


def test_ten_idle_subscribers_do_not_delay_a_publish() -> None:
    async def main() -> None:
        model = SQSModel()
        broker = broker_of(model)
        for number in range(10):
            model.create(f"idle-{number}")
            broker.subscriber(f"idle-{number}")(_nothing)
        model.create("jobs")
        await broker.start()
        await model.until(lambda: len(model.called("ReceiveMessage")) == 10)
        await broker.publish("now", "jobs")
        assert len(model.called("ReceiveMessage")) == 10
        await broker.stop()

    warp(main)


async def _nothing(_: Any) -> None: ...


def test_entries_that_failed_are_retried_alone() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model)

        @broker.subscriber("jobs", max_workers=10)
        async def handle(_: Any) -> None: ...

        for number in range(10):
            model.put("jobs", str(number))
        model.fail_entries("DeleteMessageBatch", 3, 7)
        await broker.start()
        await model.until(lambda: not model.bodies("jobs"))
        await broker.stop()
        assert [len(call.entries) for call in model.called("DeleteMessageBatch")] == [10, 2]

    warp(main)


def test_a_failing_handler_brings_the_message_back_and_then_to_the_dead_letters() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create_with_dead_letters("jobs", 3)
        broker = broker_of(model)
        attempts: list[float] = []

        @broker.subscriber("jobs")
        async def handle(_: Any) -> None:
            attempts.append(asyncio.get_running_loop().time())
            raise ValueError

        model.put("jobs", "poison")
        await broker.start()
        await model.until(lambda: bool(model.bodies("dead-jobs")))
        await broker.stop()
        assert [round(b - a) for a, b in itertools.pairwise(attempts)] == [1, 2]
        assert model.bodies("jobs") == []

    warp(main)


@pytest.mark.slow
def test_deletes_are_shared_under_load() -> None:
    async def main() -> None:
        model = SQSModel(latency=0.01)
        model.create("jobs")
        broker = broker_of(model)
        left = 500

        @broker.subscriber("jobs", max_workers=20, ack_policy=AckPolicy.ACK)
        async def handle(_: Any) -> None:
            nonlocal left
            left -= 1
            model.notify()
            await asyncio.sleep(left % 5 * 0.001)

        for number in range(left):
            model.put("jobs", str(number))
        await broker.start()
        await model.until(lambda: left == 0)
        await broker.stop()
        assert model.bodies("jobs") == []
        assert len(model.called("DeleteMessageBatch")) <= 500 * 0.15

    warp(main)


def test_a_poisonous_message_does_not_take_its_followers_to_the_dead_letters() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("dead.fifo")
        policy = {"deadLetterTargetArn": model.queues["dead.fifo"].arn, "maxReceiveCount": 3}
        model.create("jobs.fifo", RedrivePolicy=json.dumps(policy))
        broker = broker_of(model)
        done: list[int] = []

        @broker.subscriber("jobs.fifo", max_workers=4)
        async def handle(body: int) -> None:
            if body in {0, 4}:
                raise ValueError
            done.append(body)

        for number in range(10):
            model.put("jobs.fifo", str(number), "group")
        await broker.start()
        await model.until(lambda: not model.bodies("jobs.fifo"))
        await broker.stop()
        assert model.bodies("dead.fifo") == ["0", "4"]
        assert done == [1, 2, 3, 5, 6, 7, 8, 9]

    warp(main)
