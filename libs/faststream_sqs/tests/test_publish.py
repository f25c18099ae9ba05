"""What leaves the broker, under virtual time."""

import asyncio
import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError
from faststream.exceptions import IncorrectState, SetupError

from faststream_sqs import (
    BatchPublishError,
    EntryFailedError,
    MessageTooLargeError,
    SQSBroker,
    SQSPublishMessage,
)
from faststream_sqs.tests.scripted import MEBIBYTE, SQSModel, serve
from faststream_sqs.tests.support import broker_of
from faststream_sqs.tests.warp import warp


def test_publish_tells_the_id_and_the_place_in_a_fifo_queue() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.create("jobs.fifo")
        async with broker_of(model) as broker:
            plain = await broker.publish("a", "jobs")
            first = await broker.publish("a", "jobs.fifo", group_id="g")
            second = await broker.publish("b", "jobs.fifo", group_id="g")
        assert plain == model.queues["jobs"].messages[0].message_id
        assert plain.sequence_number is None
        assert (first.sequence_number or "") < (second.sequence_number or "")

    warp(main)


def test_concurrent_publishes_share_calls_and_each_gets_its_own_id() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        async with broker_of(model, send_linger=0.002) as broker:
            ids = await asyncio.gather(*(broker.publish(str(n), "jobs") for n in range(25)))
        stored = {m.message_id: m.body for m in model.queues["jobs"].messages}
        assert [stored[message_id] for message_id in ids] == [str(n) for n in range(25)]
        assert [len(call.entries) for call in model.called("SendMessageBatch")] == [10, 10, 5]

    warp(main)


def test_coalesced_calls_stay_below_a_mebibyte() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        async with broker_of(model, send_linger=0.002) as broker:
            await asyncio.gather(*(broker.publish("x" * (MEBIBYTE // 3), "jobs") for _ in range(7)))
        assert len(model.bodies("jobs")) == 7
        assert [len(call.entries) for call in model.called("SendMessageBatch")] == [2, 2, 2, 1]

    warp(main)


def test_a_refused_entry_is_its_callers_alone() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail_entries("SendMessageBatch", 1, sender_fault=True)
        async with broker_of(model, send_linger=0.002) as broker:
            results = await asyncio.gather(
                *(broker.publish(str(n), "jobs") for n in range(3)), return_exceptions=True
            )
        assert [isinstance(result, EntryFailedError) for result in results] == [False, True, False]
        assert model.bodies("jobs") == ["0", "2"]

    warp(main)


@pytest.mark.parametrize(
    ("queue", "bad"),
    [
        ("strict.fifo", {"group_id": "g"}),  # no deduplication id
        ("strict.fifo", {"group_id": "g", "deduplication_id": "d", "delay_seconds": 5}),
        ("strict.fifo", {"group_id": "two words", "deduplication_id": "d"}),
        ("strict.fifo", {"group_id": "g" * 129, "deduplication_id": "d"}),
        ("strict.fifo", {"group_id": 7, "deduplication_id": "d"}),
        ("jobs", {"delay_seconds": 901}),
        ("jobs", {"deduplication_id": "d"}),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_the_neighbours_of_an_entry_for_which_sqs_refuses_the_call_are_sent(
    queue: str, bad: dict[str, Any], *, batch: bool
) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.create("strict.fifo", ContentBasedDeduplication="false")
        good = {"group_id": "g", "deduplication_id": "d"} if queue == "strict.fifo" else {}
        options: list[dict[str, Any]] = [
            {**good, "deduplication_id": f"d{n}"} if good else {} for n in range(10)
        ]
        options[4] = bad
        async with broker_of(model, send_linger=0.002) as broker:
            if batch:
                messages = [SQSPublishMessage(str(n), **o) for n, o in enumerate(options)]
                with pytest.raises(BatchPublishError) as failed:
                    await broker.publish_batch(*messages, queue=queue)
                results = [
                    failed.value.failed.get(n, sent)
                    for n, sent in enumerate(failed.value.message_ids)
                ]
            else:
                results = await asyncio.gather(
                    *(broker.publish(str(n), queue, **o) for n, o in enumerate(options)),
                    return_exceptions=True,
                )
        assert model.bodies(queue) == [str(n) for n in range(10) if n != 4]
        assert isinstance(results[4], ClientError)
        ids = [result for n, result in enumerate(results) if n != 4]
        assert ids == [message.message_id for message in model.queues[queue].messages]
        # once together, then each alone, once
        sizes = [len(call.entries) for call in model.called("SendMessageBatch")]
        assert sizes == [10] + [1] * 10

    warp(main)


@pytest.mark.parametrize("delay", ["soon", object()])
def test_the_neighbours_of_an_entry_that_cannot_be_serialised_are_sent(delay: object) -> None:
    async def main() -> None:
        model = SQSModel()
        async with serve(model):
            model.create("jobs")
            broker = SQSBroker(
                endpoint_url=model.url,
                region_name="eu-west-2",
                aws_access_key_id="k",
                aws_secret_access_key="s",
                send_linger=0.05,
                logger=None,
            )
            async with broker:
                results = await asyncio.gather(
                    broker.publish("a", "jobs"),
                    broker.publish("b", "jobs", delay_seconds=delay),  # type: ignore[arg-type]
                    broker.publish("c", "jobs"),
                    return_exceptions=True,
                )
        assert [isinstance(result, Exception) for result in results] == [False, True, False]
        assert model.bodies("jobs") == ["a", "c"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("code", "status", "calls"),
    [("AccessDenied", 403, 1), ("ExpiredTokenException", 400, 1), ("RequestThrottled", 400, 8)],
)
def test_a_refusal_that_is_no_fault_of_an_entry_is_not_repeated_for_each(
    code: str, status: int, calls: int
) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail("SendMessageBatch", code, status=status, times=100)
        async with broker_of(model) as broker:
            with pytest.raises(BatchPublishError) as failed:
                await broker.publish_batch("a", "b", "c", queue="jobs")
        assert set(failed.value.failed) == {0, 1, 2}
        assert len(model.called("SendMessageBatch")) == calls

    warp(main)


def test_a_message_that_is_too_large_does_not_keep_its_batch_from_being_sent() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        async with broker_of(model) as broker:
            with pytest.raises(BatchPublishError) as failed:
                await broker.publish_batch("a", "x" * (MEBIBYTE + 1), "c", queue="jobs")
        assert isinstance(failed.value.failed[1], MessageTooLargeError)
        assert list(failed.value.failed) == [1]
        assert model.bodies("jobs") == ["a", "c"]

    warp(main)


@pytest.mark.parametrize(
    ("code", "fault"), [("InternalError", False), ("KMS.ThrottlingException", True)]
)
def test_an_entry_that_keeps_failing_is_retried_a_few_times_and_raised_as_no_fault_of_the_sender(
    code: str, *, fault: bool
) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail_entries("SendMessageBatch", 0, code=code, sender_fault=fault, times=100)
        async with broker_of(model, send_linger=0.002) as broker:
            with pytest.raises(EntryFailedError) as failed:
                await broker.publish("a", "jobs")
        assert (failed.value.code, failed.value.sender_fault) == (code, False)
        assert len(model.called("SendMessageBatch")) == 4

    warp(main)


def test_an_entry_that_failed_on_the_far_side_is_sent_again_alone() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail_entries("SendMessageBatch", 1, 2)
        async with broker_of(model) as broker:
            ids = await broker.publish_batch("0", "1", "2", "3", queue="jobs")
        assert [len(call.entries) for call in model.called("SendMessageBatch")] == [4, 2]
        assert sorted(model.bodies("jobs")) == ["0", "1", "2", "3"]
        assert len(set(ids)) == 4

    warp(main)


def test_a_batch_tells_exactly_which_messages_failed() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail_entries("SendMessageBatch", 1, sender_fault=True)
        async with broker_of(model) as broker:
            with pytest.raises(BatchPublishError) as caught:
                await broker.publish_batch(*"0123", queue="jobs")
        assert list(caught.value.failed) == [1]
        assert [bool(message_id) for message_id in caught.value.message_ids] == [1, 0, 1, 1]
        assert model.bodies("jobs") == ["0", "2", "3"]

    warp(main)


def test_a_failed_call_is_reported_for_its_own_messages_only() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail("SendMessageBatch", "AccessDenied", status=403)
        async with broker_of(model) as broker:
            with pytest.raises(BatchPublishError) as caught:
                await broker.publish_batch(*map(str, range(25)), queue="jobs")
        assert sorted(caught.value.failed) == list(range(10))
        assert len(model.bodies("jobs")) == 15

    warp(main)


def test_messages_of_a_batch_may_have_options_of_their_own() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        async with broker_of(model) as broker:
            await broker.publish_batch(
                SQSPublishMessage("a", group_id="g1", headers={"own": "1"}),
                SQSPublishMessage("b", deduplication_id="once"),
                SQSPublishMessage("c", deduplication_id="once"),
                queue="jobs.fifo",
                group_id="g2",
                headers={"own": "0"},
            )
        stored = model.queues["jobs.fifo"].messages
        assert [(m.body, m.group) for m in stored] == [("a", "g1"), ("b", "g2")]
        assert stored[0].attributes["own"]["StringValue"] == "1"

    warp(main)


@pytest.mark.parametrize("linger", [None, 0.002])
def test_a_fifo_queue_keeps_the_order_of_concurrent_publishes(linger: float | None) -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo")
        model.slow("SendMessageBatch", 1.0)
        async with broker_of(model, send_linger=linger) as broker:
            if linger is None:
                await broker.publish_batch(*map(str, range(35)), queue="jobs.fifo", group_id="g")
            else:
                await asyncio.gather(
                    *(broker.publish(str(n), "jobs.fifo", group_id="g") for n in range(35))
                )
        assert model.bodies("jobs.fifo") == [str(n) for n in range(35)]

    warp(main)


async def _sizes_of_calls(publishes: int) -> tuple[list[int], float]:
    """A message for a FIFO queue every 10 ms, calls of 20 ms; and how long it took in all."""
    model = SQSModel(latency=0.02)
    model.create("jobs.fifo")
    loop = asyncio.get_running_loop()
    async with broker_of(model, send_linger=1.0) as broker:
        await broker.publish("first", "jobs.fifo", group_id="g")
        started, publishing = loop.time(), []
        for n in range(publishes):
            sending = broker.publish(str(n), "jobs.fifo", group_id=str(n))
            publishing.append(asyncio.create_task(sending))
            await asyncio.sleep(0.01)
        await asyncio.gather(*publishing)
        took = loop.time() - started
    return [len(call.entries) for call in model.called("SendMessageBatch")], took


def test_few_for_a_fifo_queue_hardly_linger() -> None:
    async def main() -> None:
        sizes, took = await _sizes_of_calls(4)
        assert sum(sizes) == 5
        assert took < 0.1

    warp(main)


def test_many_for_a_fifo_queue_linger_for_full_calls() -> None:
    async def main() -> None:
        sizes, _ = await _sizes_of_calls(100)
        assert sum(sizes) == 101
        assert sizes.count(10) >= 9

    warp(main)


def test_a_lost_reply_does_not_double_a_fifo_message() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs.fifo", ContentBasedDeduplication="false")
        model.drop_reply("SendMessage")
        async with broker_of(model) as broker:
            await broker.publish("a", "jobs.fifo", group_id="g", deduplication_id="d")
        assert len(model.called("SendMessage")) == 2
        assert model.bodies("jobs.fifo") == ["a"]

    warp(main)


def test_throttling_and_resets_are_waited_out_with_growing_pauses() -> None:
    async def main() -> None:
        model = SQSModel(latency=0)
        model.create("jobs")
        model.fail("SendMessage", "RequestThrottled", times=2)
        model.reset("SendMessage")
        model.fail("SendMessage", "InternalError", status=500)
        async with broker_of(model) as broker:
            await broker.publish("a", "jobs")
        at = [call.at for call in model.called("SendMessage")]
        pauses = [b - a for a, b in itertools.pairwise(at)]
        assert len(pauses) == 4
        assert all(a < b for a, b in itertools.pairwise(pauses))
        assert model.bodies("jobs") == ["a"]

    warp(main)


def test_an_endless_outage_is_reported_after_eight_attempts() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.fail("SendMessage", "ServiceUnavailable", status=503, times=100)
        async with broker_of(model) as broker:
            with pytest.raises(ClientError, match="ServiceUnavailable"):
                await broker.publish("a", "jobs")
        assert len(model.called("SendMessage")) == 8

    warp(main)


def test_publishing_never_creates_a_queue_and_finds_one_created_later() -> None:
    async def main() -> None:
        model = SQSModel()
        async with broker_of(model) as broker:
            for _ in range(2):
                with pytest.raises(ClientError, match="NonExistentQueue"):
                    await broker.publish("a", "typo")
            model.create("typo")
            await broker.publish("a", "typo")
            model.drop_queue("typo")
            with pytest.raises(ClientError, match="NonExistentQueue"):
                await broker.publish("a", "typo")
            model.create("typo")
            await broker.publish("a", "typo")
        assert model.called("CreateQueue") == []

    warp(main)


def test_a_queue_is_looked_up_once_by_many() -> None:
    async def main() -> None:
        model = SQSModel()
        url = model.create("jobs")
        async with broker_of(model) as broker:
            await asyncio.gather(*(broker.publish("a", "jobs") for _ in range(20)))
            assert len(model.called("GetQueueUrl")) == 1
            await broker.publish("a", url)
            await broker.publish("a", "arn:aws:sqs:eu-west-2:123456789012:jobs")
        looked = model.called("GetQueueUrl")
        assert looked[-1].params["QueueOwnerAWSAccountId"] == "123456789012"
        assert len(looked) == 2

    warp(main)


def test_what_cannot_be_sent_is_refused_before_a_call() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.create("jobs.fifo")
        async with broker_of(model) as broker:
            with pytest.raises(MessageTooLargeError):
                await broker.publish("x" * (MEBIBYTE + 1), "jobs")
            with pytest.raises(SetupError, match="group_id"):
                await broker.publish("x", "jobs.fifo")
            await broker.publish("x", "jobs", group_id="fair")
        assert [m.group for m in model.queues["jobs"].messages] == ["fair"]
        with pytest.raises(IncorrectState):
            await broker.publish("x", "jobs")

    warp(main)


def test_stop_sends_what_was_still_waiting_for_company() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        broker = broker_of(model, send_linger=60.0)
        await broker.start()
        publishing = asyncio.create_task(broker.publish("a", "jobs"))
        await model.until(lambda: bool(model.called("GetQueueUrl")))
        await broker.stop()
        assert await publishing == model.queues["jobs"].messages[0].message_id
        assert asyncio.get_running_loop().time() < 60

    warp(main)


def test_a_subscriber_stops_while_others_publish_without_end() -> None:
    async def main() -> None:
        model = SQSModel(latency=0.01)
        model.create("jobs")
        model.create("other")
        broker = broker_of(model, send_linger=0.005)
        subscriber = broker.subscriber("other", wait_time_seconds=1)
        subscriber(_nothing)
        await broker.start()

        async def publish_on() -> None:
            while True:
                await broker.publish("x", "jobs")

        publishing = [asyncio.create_task(publish_on()) for _ in range(3)]
        await broker.publish("x", "other")
        await model.until(lambda: not model.bodies("other"))
        await subscriber.stop()
        for task in publishing:
            task.cancel()
        await asyncio.gather(*publishing, return_exceptions=True)
        await broker.stop()

    warp(main)


async def _nothing(_: Any) -> None: ...


def test_a_publisher_adds_its_options_and_spreads_a_batch() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("jobs")
        model.create("out.fifo")
        broker = broker_of(model, id_generator=lambda: "made")

        @broker.subscriber("jobs", wait_time_seconds=1)
        @broker.publisher("out.fifo", group_id="g", headers={"h": "1"}, batch=True)
        async def handle(_: str) -> list[str]:
            return ["a", "b"]

        await broker.start()
        await broker.publish("go", "jobs")
        await model.until(lambda: len(model.bodies("out.fifo")) == 2)
        await broker.stop()
        stored = model.queues["out.fifo"].messages
        assert [(m.body, m.group) for m in stored] == [("a", "g"), ("b", "g")]
        assert stored[0].attributes["h"]["StringValue"] == "1"
        assert stored[0].attributes["correlation_id"]["StringValue"] == "made"

    warp(main)


def test_requests_wait_for_their_own_reply_and_the_queue_is_deleted_at_stop() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("echo")
        broker = broker_of(model)

        @broker.subscriber("echo", wait_time_seconds=1, max_workers=10)
        async def handle(body: int) -> int:
            await asyncio.sleep(1 / (body + 1))
            return body * 2

        await broker.start()
        replies = await asyncio.gather(*(broker.request(n, "echo", timeout=5) for n in range(5)))
        assert [await reply.decode() for reply in replies] == [0, 2, 4, 6, 8]
        assert len(model.called("CreateQueue")) == 1
        with pytest.raises(TimeoutError):
            await broker.request(0, "echo", timeout=0.5)
        await broker.stop()
        assert list(model.queues) == ["echo"]

    warp(main)


def test_a_reply_queue_that_was_deleted_is_made_again() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("echo")
        broker = broker_of(model)

        @broker.subscriber("echo", wait_time_seconds=1)
        async def handle(body: int) -> int:
            return body

        await broker.start()
        assert await (await broker.request(1, "echo", timeout=5)).decode() == 1
        (replies,) = (name for name in model.queues if name != "echo")
        model.drop_queue(replies)
        await asyncio.sleep(1)
        assert await (await broker.request(2, "echo", timeout=5)).decode() == 2
        await broker.stop()
        assert list(model.queues) == ["echo"]

    warp(main)


def test_stop_tells_those_who_still_wait_for_a_reply() -> None:
    async def main() -> None:
        model = SQSModel()
        model.create("silent")
        broker = broker_of(model)
        await broker.start()
        asking = asyncio.create_task(broker.request(1, "silent", timeout=500))
        await model.until(lambda: bool(model.bodies("silent")))
        await broker.stop()
        with pytest.raises(IncorrectState, match="stopped"):
            await asking

    warp(main)
