"""Spans of one process: their parents, what they record, and when none is created."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tracing.spans import Traces
from tracing.traceparent import is_sampled, trace_and_span_ids, valid_traceparent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(exporter: InMemorySpanExporter) -> Traces:
    return Traces.create("service", exporter=exporter, namespace="shop")


def span_id(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_id(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


async def test_a_span_is_the_parent_of_the_next_one(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    async with traces:
        with traces.span("outer", "server", {"http.request.method": "GET"}, SAMPLED) as outer:
            assert outer.trace_id == TRACE
            outer.rename("GET /orders")
            outer.set_attribute("http.response.status_code", 200)
            with traces.span("inner", "client", {}) as inner:
                assert trace_and_span_ids(inner.traceparent)[0] == TRACE
    inner_span, outer_span = exporter.get_finished_spans()
    assert (outer_span.name, parent_id(outer_span)) == ("GET /orders", PARENT)
    assert parent_id(inner_span) == span_id(outer_span)
    assert dict(outer_span.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    assert outer_span.resource.attributes["service.name"] == "service"
    assert outer_span.resource.attributes["service.namespace"] == "shop"


async def test_without_a_parent_a_span_starts_a_trace(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    async with traces:
        with traces.span("first", "server", {}, SAMPLED), traces.span("new", "server", {}, None):
            pass
    new, first = exporter.get_finished_spans()
    assert new.parent is None
    assert new.context.trace_id != first.context.trace_id


async def test_an_error_is_recorded_by_its_type_and_not_by_its_message(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    async with traces:
        with (
            pytest.raises(ValueError, match="is wrong"),
            traces.span("failing", "server", {}, None),
        ):
            raise ValueError("a@b.example is wrong")
    (failed,) = exporter.get_finished_spans()
    assert (failed.attributes or {})["error.type"] == "ValueError"
    assert not failed.status.is_ok
    assert "b.example" not in failed.to_json()


class Calculator:
    other = 7

    async def double(self, number: int) -> int:
        if number < 0:
            raise ValueError("below zero")
        return 2 * number


async def test_an_instrumented_object_records_spans_only_inside_a_trace(
    traces: Traces, exporter: InMemorySpanExporter
) -> None:
    calculator = traces.instrument(Calculator(), {"db.system.name": "redis"}, double="twice")
    async with traces:
        assert (await calculator.double(2), calculator.other) == (4, 7)
        with traces.span("around", "server", {}, SAMPLED):
            assert traces.is_recording()
            assert await calculator.double(3) == 6
            with pytest.raises(ValueError, match="below zero"):
                await calculator.double(-1)
        assert not traces.is_recording()
    twice, failed, around = exporter.get_finished_spans()
    assert (twice.name, parent_id(twice)) == ("twice", span_id(around))
    assert (failed.attributes or {})["error.type"] == "ValueError"


@pytest.mark.parametrize(("share", "traced"), [(0.0, False), (1.0, True)])
def test_the_share_decides_about_new_traces(share: float, *, traced: bool) -> None:
    traces = Traces.create("service", exporter=InMemorySpanExporter(), share=share)
    assert traces.should_trace() is traced


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-x-y-01",
        f"01-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        SAMPLED + "\n",
        SAMPLED + "-more",
    ],
)
def test_a_malformed_traceparent_is_ignored(header: str | None) -> None:
    assert valid_traceparent(header) is None


def test_a_traceparent_names_trace_span_and_flag() -> None:
    assert valid_traceparent(SAMPLED) == SAMPLED
    assert trace_and_span_ids(SAMPLED) == (TRACE, PARENT)
    assert (is_sampled(SAMPLED), is_sampled(UNSAMPLED)) == (True, False)


@pytest.mark.stack
@pytest.mark.stack
def test_the_package_and_its_headers_need_no_opentelemetry() -> None:
    program = (
        "import sys, tracing, tracing.traceparent\n"
        "assert not any(name.split('.')[0] == 'opentelemetry' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)  # noqa: S603  our own program
