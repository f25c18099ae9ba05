"""The same over a socket: aiobotocore, JSON 1.0, pools and broken connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

from faststream_sqs import SQSBroker, SQSMessage, TestSQSBroker
from faststream_sqs.tests.scripted import MEBIBYTE, SQSModel, serve

BrokerOf = Callable[..., SQSBroker]


@pytest.fixture
async def model() -> AsyncIterator[SQSModel]:
    async with serve(SQSModel(latency=0)) as model:
        yield model


@pytest.fixture
def session() -> Any:
    """The session of the broker; None: a new one of aiobotocore."""
    return None


@pytest.fixture
def broker_of(session: Any) -> BrokerOf:
    def broker_of(model: SQSModel, **options: Any) -> SQSBroker:
        return SQSBroker(
            endpoint_url=model.url,
            region_name="eu-west-2",
            aws_access_key_id="123456789012",
            aws_secret_access_key="local",
            logger=None,
            session=session,
            **options,
        )

    return broker_of


@pytest.mark.slow
async def test_a_message_arrives_as_it_was_sent(model: SQSModel, broker_of: BrokerOf) -> None:
    model.create("jobs")
    broker = broker_of(model)
    got: list[tuple[bytes, dict[str, Any]]] = []

    @broker.subscriber("jobs", wait_time_seconds=1)
    async def handle(message: SQSMessage) -> None:
        got.append((message.body, message.headers))
        model.notify()

    headers = {f"h{number}": str(number) for number in range(20)} | {"blob": b"\x00\xff", "n": 7}
    bodies = [b"", b"\xff\xfe", b"\x00", "zażółć".encode(), b"x" * (MEBIBYTE * 3 // 4 - 4096)]
    await broker.start()
    for body in bodies:
        await broker.publish(body, "jobs", headers=headers)
    await model.until(lambda: len(got) == len(bodies))
    await broker.stop()
    assert [body for body, _ in got] == bodies
    assert all(headers.items() <= found.items() for _, found in got)
    assert model.bodies("jobs") == []


@pytest.mark.slow
async def test_ten_idle_subscribers_leave_connections_to_publish(
    model: SQSModel, broker_of: BrokerOf
) -> None:
    broker = broker_of(model, max_pool_connections=2)
    for number in range(10):
        model.create(f"idle-{number}")

        @broker.subscriber(f"idle-{number}")
        async def handle(_: Any) -> None: ...

    model.create("jobs")
    await broker.start()
    await model.until(lambda: len(model.called("ReceiveMessage")) == 10)
    polled = len(model.called("ReceiveMessage"))
    await broker.publish("now", "jobs")
    assert len(model.called("ReceiveMessage")) == polled
    model.release_polls()
    await broker.stop()


async def test_an_own_client_config_is_taken(model: SQSModel, broker_of: BrokerOf) -> None:
    model.create("jobs")
    config = AioConfig(
        user_agent="mine", connect_timeout=1, connector_args={"keepalive_timeout": 1}
    )
    async with broker_of(model, client_config=config) as broker:
        await broker.publish("a", "jobs")
    assert model.bodies("jobs") == ["a"]


@pytest.mark.slow
async def test_broken_connections_and_throttling_cost_no_message(
    model: SQSModel, broker_of: BrokerOf
) -> None:
    model.create("jobs.fifo")
    broker = broker_of(model)
    handled: list[int] = []

    @broker.subscriber("jobs.fifo", wait_time_seconds=1)
    async def handle(body: int) -> None:
        handled.append(body)

    model.reset("SendMessage")
    model.drop_reply("SendMessage")
    model.fail("SendMessage", "ThrottlingException")
    model.drop_reply("ReceiveMessage")
    model.drop_reply("DeleteMessageBatch")
    await broker.start()
    for number in range(4):
        await broker.publish(number, "jobs.fifo", group_id="g")
    await model.until(lambda: not model.bodies("jobs.fifo") and len(handled) == 4)
    await broker.stop()
    assert handled == [0, 1, 2, 3]


@pytest.mark.slow
async def test_a_missing_queue_is_reported_with_the_error_of_the_service(
    model: SQSModel, broker_of: BrokerOf
) -> None:
    async with broker_of(model) as broker:
        with pytest.raises(ClientError, match="NonExistentQueue"):
            await broker.publish("a", "nowhere")
        assert await broker.ping()
    assert model.called("CreateQueue") == []


@pytest.mark.slow
async def test_ping_knows_a_stranger_and_a_silence(model: SQSModel, broker_of: BrokerOf) -> None:
    async with broker_of(model) as broker:
        model.fail("GetQueueUrl", "InvalidClientTokenId", status=403)
        assert not await broker.ping()
        model.fail("GetQueueUrl", "AccessDenied", status=403)
        assert await broker.ping()
        model.hold("GetQueueUrl").set()
        assert await broker.ping(timeout=5)
        gate = model.hold("GetQueueUrl")
        assert not await broker.ping(timeout=0.01)
        gate.set()


@pytest.mark.slow
async def test_nothing_is_left_open_by_many_restarts(model: SQSModel, broker_of: BrokerOf) -> None:
    model.create("jobs")
    broker = broker_of(model, send_linger=0.001)

    @broker.subscriber("jobs", wait_time_seconds=0)
    async def handle(body: str) -> str:
        return body

    before = asyncio.all_tasks()
    for _ in range(3):
        await broker.start()
        reply = await broker.request("x", "jobs", timeout=5)
        assert await reply.decode() == "x"
        await broker.stop()
    # a finished long poll of the reply queue leaves a task of the server behind
    left = [task for task in asyncio.all_tasks() - before if "faststream_sqs" in repr(task)]
    assert left == []
    assert list(model.queues) == ["jobs"]


@pytest.mark.slow
async def test_the_test_broker_may_talk_to_the_real_service(
    model: SQSModel, broker_of: BrokerOf
) -> None:
    model.create("in")
    model.create("out")
    broker = broker_of(model)

    @broker.subscriber("in", wait_time_seconds=1)
    @broker.publisher("out")
    async def handle(number: int) -> int:
        return number + 1

    (publisher,) = broker.publishers
    async with TestSQSBroker(broker, with_real=True) as tested:
        await tested.publish(1, "in")
        await model.until(lambda: bool(model.called("DeleteMessageBatch", queue="out")))
        handle.mock.assert_called_once_with(1)
        publisher.mock.assert_called_once_with(2)
        model.release_polls()
