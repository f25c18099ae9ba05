"""Traces through queues, and the settings that switch them on."""

import subprocess
import sys
from typing import Any

import pytest
import structlog
from faststream import BaseMiddleware
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from chassis.bus.tracing import tracing_middleware
from chassis.run.settings import ProcessSettings
from chassis.run.tracing import open_traces
from deploy.folders import ROOT, service_names
from faststream_sqs import SQSBroker, TestSQSBroker
from tracing.spans import Traces

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class TracedBroker:
    """A broker whose messages are traced, and the spans that have ended."""

    def __init__(self, share: float) -> None:
        self.exporter = InMemorySpanExporter()
        self.traces = Traces.create("service", exporter=self.exporter, share=share)
        self.broker = SQSBroker()
        self.broker.add_middleware(self.around)
        self.broker.add_middleware(tracing_middleware(self.traces))
        self.contexts: list[dict[str, Any]] = []

        @self.broker.subscriber("second")
        async def second(_: str) -> None:
            self.note()

        @self.broker.subscriber("first")
        async def first(body: dict[str, str]) -> None:
            await self.broker.publish("on", "second", headers={"traceparent": UNSAMPLED})
            if "fail" in body:
                raise ValueError(body["fail"])

    def around(self, message: Any, *, context: Any) -> BaseMiddleware[Any, Any]:
        """Record the log context where FastStream reports failures: outside of all middlewares."""
        traced = self

        class Around(BaseMiddleware[Any, Any]):
            async def after_processed(self, kind: Any = None, *_: Any) -> bool:
                if kind is not None:
                    traced.note()
                return False

        return Around(message, context=context)

    def note(self) -> None:
        self.contexts.append(structlog.contextvars.get_contextvars())

    async def send(self, body: dict[str, str], **headers: str) -> dict[str, ReadableSpan]:
        """Send a message, wait until everything is handled, and return the spans by name."""
        async with self.traces, TestSQSBroker(self.broker, connect_only=False) as tested:
            await tested.publish(body, "first", headers=headers)
        return {span.name: span for span in self.exporter.get_finished_spans()}


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    assert span.context is not None
    assert span.parent is not None
    return (
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
        f"{span.parent.span_id:016x}",
    )


async def test_a_span_is_the_child_of_the_span_that_sent_its_message() -> None:
    traced = TracedBroker(share=0)
    spans = await traced.send({"type": "OpenAccount", "email": "a@b.example"}, traceparent=SAMPLED)
    trace, first, parent = ids(spans["process first"])
    assert (trace, parent) == (TRACE, PARENT)
    assert ids(spans["send second"])[::2] == (TRACE, first)
    assert ids(spans["process second"])[::2] == (TRACE, ids(spans["send second"])[1])
    attributes = spans["process first"].attributes or {}
    assert attributes["vouch.message"] == "OpenAccount"
    assert attributes["messaging.destination.name"] == "first"
    assert not any("b.example" in span.to_json() for span in spans.values())
    assert [context["trace_id"] for context in traced.contexts] == [TRACE]


@pytest.mark.parametrize("headers", [{"traceparent": UNSAMPLED}, {}, {"traceparent": "00-x-y-01"}])
async def test_an_unsampled_message_leaves_no_span(headers: dict[str, str]) -> None:
    traced = TracedBroker(share=0)
    assert await traced.send({}, **headers) == {}
    assert ["trace_id" in context for context in traced.contexts] == [False]


async def test_a_message_without_a_trace_is_sampled_at_random() -> None:
    spans = await TracedBroker(share=1).send({})
    assert spans["process first"].parent is None
    assert ids(spans["send second"])[2] == f"{spans['process first'].context.span_id:016x}"


async def test_sampling_does_not_override_the_senders_decision() -> None:
    assert await TracedBroker(share=1).send({}, traceparent=UNSAMPLED) == {}


async def test_a_failure_is_recorded_by_its_type_and_without_its_message() -> None:
    traced = TracedBroker(share=0)
    with pytest.raises(ValueError, match="is wrong"):
        await traced.send({"fail": "a@b.example is wrong"}, traceparent=SAMPLED)
    (failed,) = (s for s in traced.exporter.get_finished_spans() if s.name == "process first")
    assert (failed.attributes or {})["error.type"] == "ValueError"
    assert not failed.status.is_ok
    assert "b.example" not in failed.to_json()
    assert [context["trace_id"] for context in traced.contexts] == [TRACE, TRACE]


async def test_the_log_context_holds_no_trace_of_an_earlier_message() -> None:
    traced = TracedBroker(share=0)
    await traced.send({}, traceparent=SAMPLED)
    await traced.send({}, traceparent=UNSAMPLED)
    assert ["trace_id" in context for context in traced.contexts] == [True, False]


def test_no_traces_are_opened_without_a_collector() -> None:
    assert open_traces(ProcessSettings(), "service") is None


@pytest.mark.parametrize("wrong", ["collector:4318", "grpc://collector:4317", "http://"])
def test_the_address_of_a_collector_is_validated(wrong: str) -> None:
    with pytest.raises(ValidationError, match="traces"):
        ProcessSettings(traces=wrong)


ENTRIES = ", ".join(f"{service}.__main__" for service in service_names())
WITHOUT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import {ENTRIES}
from chassis.bus.tracing import tracing_middleware
from chassis.run.settings import ProcessSettings

assert not any(name.split(".")[0] == "opentelemetry" for name in sys.modules)
assert ProcessSettings().traces == ""
ProcessSettings(traces="http://127.0.0.1:4318")
"""
UNTOUCHED = f"""
import sys
import chassis.run.cli, {ENTRIES}

ours = ("opentelemetry.exporter", "opentelemetry.sdk.trace", "tracing.spans")
assert not [name for name in sys.modules if name.startswith(ours)]
"""


def _run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our interpreter and our code
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.stack
def test_opentelemetry_is_needed_only_for_traces() -> None:
    ended = _run(WITHOUT)
    assert ended.returncode == 1
    assert "extra `telemetry`" in ended.stderr
    assert "leave TRACES empty" in ended.stderr
    assert "AssertionError" not in ended.stderr


@pytest.mark.stack
def test_opentelemetry_is_imported_only_for_traces() -> None:
    """Except for its metrics, which redis-py imports wherever it finds them."""
    ended = _run(UNTOUCHED)
    assert ended.returncode == 0, ended.stderr
