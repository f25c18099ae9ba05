"""What FastStream promises of every broker, kept by this one."""

import inspect
import json
from typing import Annotated, Any

import pytest
from faststream import BaseMiddleware, Context, Depends, FastStream, TestApp
from faststream.exceptions import IncorrectState, SetupError, SubscriberNotFound
from faststream.message import decode_message, encode_message
from faststream.specification import AsyncAPI
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from faststream_sqs import (
    SQSBroker,
    SQSMessage,
    SQSPublishMessage,
    SQSQueue,
    SQSResponse,
    SQSRoute,
    SQSRoutePublisher,
    SQSRouter,
    TestSQSBroker,
)
from faststream_sqs.broker.registrator import SQSRegistrator
from faststream_sqs.message import SQSMessage as PlainMessage
from faststream_sqs.opentelemetry import SQSTelemetryMiddleware
from faststream_sqs.prometheus import SQSPrometheusMiddleware
from faststream_sqs.testing import FakeProducer
from faststream_sqs.tests.scripted import InProcessSession, SQSModel


async def test_the_test_broker_handles_at_once_and_records() -> None:
    broker = SQSBroker()

    @broker.subscriber("in")
    @broker.publisher("out", headers={"h": "1"})
    async def handle(number: int) -> int:
        return number + 1

    @broker.subscriber("out")
    async def collect(_: int, message: SQSMessage) -> None:
        assert message.headers["h"] == "1"

    async with TestSQSBroker(broker) as tested:
        await tested.publish(1, "in")
        handle.mock.assert_called_once_with(1)
        collect.mock.assert_called_once_with(2)


async def test_the_test_broker_answers_requests() -> None:
    broker = SQSBroker()

    @broker.subscriber("double")
    async def double(number: int) -> SQSResponse:
        return SQSResponse(number * 2, headers={"by": "double"}, correlation_id="given")

    async with TestSQSBroker(broker) as tested:
        reply = await tested.request(4, "double")
        assert await reply.decode() == 8
        assert (reply.headers["by"], reply.correlation_id) == ("double", "given")
        with pytest.raises(SubscriberNotFound):
            await tested.request(4, "no-such-queue")


async def test_the_test_broker_serves_batches_and_several_brokers() -> None:
    sender, receiver = SQSBroker(), SQSBroker()
    publisher = sender.publisher("in", batch=True)

    @receiver.subscriber("in", batch=True)
    async def handle(numbers: list[int]) -> None: ...

    async with TestSQSBroker(sender, receiver):
        await publisher.publish(1, 2, 3)
        handle.mock.assert_called_once_with([1, 2, 3])
        await sender.publish(4, "in")
        handle.mock.assert_called_with([4])


async def test_the_test_broker_raises_what_handlers_raise_and_keeps_the_limits() -> None:
    broker = SQSBroker()

    @broker.subscriber("in.fifo")
    async def handle(_: Any) -> None:
        raise ZeroDivisionError

    async with TestSQSBroker(broker) as tested:
        with pytest.raises(ZeroDivisionError):
            await tested.publish("x", "in.fifo", group_id="g")
        with pytest.raises(SetupError, match="group_id"):
            await tested.publish("x", "in.fifo")


async def test_a_subscriber_added_under_test_starts_without_a_service() -> None:
    broker = SQSBroker()
    got: list[str] = []
    async with TestSQSBroker(broker) as tested:
        subscriber = broker.subscriber("late")

        @subscriber
        async def handle(body: str) -> None:
            got.append(body)

        await subscriber.start()
        await tested.publish("x", "late")
        await subscriber.stop()
    assert got == ["x"]


async def test_an_application_runs_under_test() -> None:
    broker = SQSBroker()
    app = FastStream(broker)

    @broker.subscriber("in")
    async def handle(_: str) -> None: ...

    async with TestSQSBroker(broker, connect_only=True), TestApp(app):
        await broker.publish("x", "in")
        handle.mock.assert_called_once_with("x")


async def test_routers_carry_prefixes_routes_and_middlewares() -> None:
    seen: list[str] = []

    class Noting(BaseMiddleware[Any, Any]):
        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            seen.append(msg.raw_message.queue)
            return await call_next(msg)

    async def handle(body: str) -> str:
        return body

    inner = SQSRouter(
        "inner-",
        handlers=[SQSRoute(handle, "in", publishers=[SQSRoutePublisher("out")])],
        middlewares=[Noting],
    )
    outer = SQSRouter("outer-", routers=[inner])
    broker = SQSBroker(routers=[outer])
    (publisher,) = broker.publishers
    async with TestSQSBroker(broker) as tested:
        await tested.publish("x", "outer-inner-in")
        publisher.mock.assert_called_once_with("x")
    assert seen in (["outer-inner-in", "outer-inner-out"], ["outer-inner-in"])
    with pytest.raises(TypeError):
        broker.include_router(object())  # type: ignore[arg-type]


async def test_dependencies_parsers_decoders_and_filters_are_applied() -> None:
    broker = SQSBroker()

    async def parse(raw: Any, original: Any) -> Any:
        message = await original(raw)
        message.headers["parsed"] = "yes"
        return message

    async def decode(message: Any, original: Any) -> Any:
        return (await original(message)) + "!"

    def who() -> str:
        return "someone"

    subscriber = broker.subscriber("in", parser=parse, decoder=decode)

    @subscriber(filter=lambda m: m.content_type == "text/plain")
    async def texts(
        body: str,
        name: Annotated[str, Depends(who)],
        parsed: str = Context("message.headers.parsed"),
    ) -> str:
        return f"{body} {name} {parsed}"

    async with TestSQSBroker(broker) as tested:
        reply = await tested.request("hi", "in")
        assert reply.body == b"hi! someone yes"


class Backwards:
    """A codec that turns texts round."""

    async def decode(self, msg: Any) -> Any:
        return decode_message(msg)[::-1]  # type: ignore[index]

    async def encode(self, msg: Any, serializer: Any = None) -> tuple[bytes, str | None]:
        body, content_type = encode_message(msg, serializer)
        return body[::-1], content_type


class BatchBackwards(Backwards):
    async def encode_batch(self, msgs: Any, serializer: Any = None) -> Any:
        return [await self.encode(msg, serializer) for msg in msgs]

    async def decode_batch(self, msg: Any) -> Any:
        return [body.decode()[::-1] for body in msg.body]


async def test_a_codec_encodes_and_decodes() -> None:
    broker = SQSBroker(codec=BatchBackwards())

    @broker.subscriber("in")
    async def handle(_: str) -> None: ...

    @broker.subscriber("many", batch=True)
    async def batch(_: list[str]) -> None: ...

    async with TestSQSBroker(broker) as tested:
        await tested.publish("abc", "in")
        handle.mock.assert_called_once_with("abc")
        await tested.publish_batch("ab", "cd", queue="many")
        batch.mock.assert_called_once_with(["ab", "cd"])
        assert tested.config.producer.codec is broker.config.broker_codec


class Numbering(Backwards):
    """A codec whose encoding of a batch differs from that of single messages."""

    async def encode_batch(self, msgs: Any, _serializer: Any = None) -> Any:
        return [(f"{n}/{len(msgs)} {msg}".encode(), "text/plain") for n, msg in enumerate(msgs, 1)]

    async def decode_batch(self, msg: Any) -> Any:
        return [body.decode() for body in msg.body]


@pytest.mark.parametrize("real", [True, False])
async def test_a_codec_encodes_a_batch_at_once(*, real: bool) -> None:
    model = SQSModel(latency=0)
    model.create("many")
    broker = SQSBroker(session=InProcessSession(model), codec=Numbering(), logger=None)
    encoded = ["1/3 a", "2/3 b", "3/3 c"]
    messages = ["a", SQSPublishMessage("b", headers={"own": "header"}), "c"]
    if real:
        async with broker:
            await broker.publish_batch(*messages, queue="many")
            await broker.publisher("many", batch=True).publish(*messages)
        assert model.bodies("many") == encoded * 2
        assert model.queues["many"].messages[1].attributes["own"]["StringValue"] == "header"
        return

    @broker.subscriber("many", batch=True)
    async def batch(_: list[str]) -> None: ...

    async with TestSQSBroker(broker) as tested:
        await tested.publish_batch(*messages, queue="many")
        batch.mock.assert_called_once_with(encoded)


async def test_ids_are_made_by_the_given_generator() -> None:
    broker = SQSBroker(id_generator=lambda: "mine")

    @broker.subscriber("in")
    async def handle(message: SQSMessage) -> None:
        assert message.correlation_id == "mine"

    async with TestSQSBroker(broker) as tested:
        await tested.publish("x", "in")
        await broker.publisher("in").publish("x")


async def test_a_driver_class_as_annotation_is_refused_with_a_hint() -> None:
    broker = SQSBroker()

    @broker.subscriber("in")
    async def handle(message: PlainMessage) -> None: ...

    with pytest.raises(SetupError, match=r"from faststream_sqs\.annotations import SQSMessage"):
        async with TestSQSBroker(broker):
            pass


async def test_the_message_tells_what_sqs_knows() -> None:
    broker = SQSBroker()
    found: list[SQSMessage] = []

    @broker.subscriber("in.fifo")
    async def handle(message: SQSMessage) -> None:
        found.append(message)

    async with TestSQSBroker(broker) as tested:
        sent = await tested.publish("x", "in.fifo", group_id="g", deduplication_id="d")
    (message,) = found
    assert (message.group_id, message.deduplication_id) == ("g", "d")
    assert (message.receive_count, message.message_id) == (1, sent)
    assert message.sent_at is not None
    assert message.sent_at == message.first_received_at


def test_routes_take_the_arguments_of_the_broker() -> None:
    def options(call: Any) -> set[str]:
        return set(inspect.signature(call).parameters) - {"self", "call", "publishers"}

    assert options(SQSRoute.__init__) == options(SQSRegistrator.subscriber)
    assert options(SQSRoutePublisher.__init__) == options(SQSRegistrator.publisher)


@pytest.mark.parametrize("version", ["2.6.0", "3.0.0"])
def test_asyncapi_describes_queues_by_the_official_binding(version: Any) -> None:
    broker = SQSBroker(region_name="eu-west-2")
    queue = SQSQueue(
        "in.fifo",
        visibility_timeout=60,
        high_throughput=True,
        dead_letter_queue="dead.fifo",
        max_receive_count=4,
    )

    @broker.subscriber(queue, title="Incoming")
    @broker.publisher("out", title="Outgoing")
    async def handle(number: int) -> str:
        return str(number)

    document = json.loads(AsyncAPI(broker, schema_version=version).to_specification().to_json())
    assert document["asyncapi"] == version
    channel = document["channels"]["Incoming"]
    assert channel["bindings"]["sqs"] == {
        "bindingVersion": "0.3.0",
        "queue": {
            "name": "in.fifo",
            "fifoQueue": True,
            "deduplicationScope": "messageGroup",
            "fifoThroughputLimit": "perMessageGroupId",
            "visibilityTimeout": 60,
            "redrivePolicy": {"deadLetterQueue": {"name": "dead.fifo"}, "maxReceiveCount": 4},
        },
    }
    assert document["channels"]["Outgoing"]["bindings"]["sqs"]["queue"]["name"] == "out"
    server = document["servers"]["development"]
    assert server["protocol"] == "sqs"


async def test_prometheus_counts_by_queue_name() -> None:
    registry = CollectorRegistry()
    broker = SQSBroker(middlewares=[SQSPrometheusMiddleware(registry=registry)])

    @broker.subscriber("in", batch=True)
    async def handle(_: list[str]) -> None: ...

    async with TestSQSBroker(broker) as tested:
        await tested.publish_batch("a", "b", queue="https://sqs.example/1/in")
    labels = {"app_name": "faststream", "broker": "aws_sqs"}
    assert (
        registry.get_sample_value("faststream_received_messages_total", {**labels, "handler": "in"})
        == 2
    )
    assert (
        registry.get_sample_value(
            "faststream_published_messages_total",
            {**labels, "destination": "in", "status": "success"},
        )
        == 2
    )


async def test_a_trace_goes_through_the_queue() -> None:
    exporter = InMemorySpanExporter()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    meter_provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
    broker = SQSBroker(
        middlewares=[
            SQSTelemetryMiddleware(tracer_provider=tracer_provider, meter_provider=meter_provider)
        ]
    )

    @broker.subscriber("in")
    async def single(_: str) -> None: ...

    @broker.subscriber("many", batch=True)
    async def batch(_: list[str]) -> None: ...

    async with TestSQSBroker(broker) as tested:
        with tracer_provider.get_tracer("test").start_as_current_span("root") as root:
            await tested.publish("x", "in")
            await tested.publish_batch("x", "y", queue="many")
    spans = exporter.get_finished_spans()
    names = {span.name for span in spans}
    assert {"in publish", "in process", "many publish", "many process"} <= names
    traced = {span.context.trace_id for span in spans if span.name.startswith("in ")}
    assert traced == {root.get_span_context().trace_id}
    assert trace.get_current_span() is not root
    meter_provider.shutdown()


async def test_the_real_producer_returns_after_the_test() -> None:
    broker = SQSBroker()
    async with TestSQSBroker(broker) as tested:
        assert isinstance(tested.config.producer, FakeProducer)
        assert await tested.ping()
    assert not isinstance(broker.config.producer, FakeProducer)
    assert not broker.config.broker_config.in_memory
    with pytest.raises(IncorrectState):
        await broker.publish("x", "in")
