"""A collector that fails, recovers or never answers delays no caller."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from tracing import delivery
from tracing.delivery import OutageLoggingExporter
from tracing.spans import Traces


class Collector(SpanExporter):
    """A collector that can be unavailable, or silent until `answer` is set."""

    def __init__(self) -> None:
        self.unavailable = False
        self.called, self.answer = threading.Event(), threading.Event()
        self.answer.set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert spans
        self.called.set()
        self.answer.wait()
        if self.unavailable:
            raise OSError("connection refused")
        return SpanExportResult.SUCCESS


def two_spans() -> Any:
    return [object(), object()]


def test_an_outage_of_the_collector_and_its_end_are_each_logged_once() -> None:
    collector = Collector()
    exporter = OutageLoggingExporter(collector, "orders")
    collector.unavailable = True
    with capture_logs() as lines:
        assert [exporter.export(two_spans()) for _ in range(3)] == [SpanExportResult.FAILURE] * 3
        collector.unavailable = False
        assert exporter.export(two_spans()) is SpanExportResult.SUCCESS
        assert exporter.export(two_spans()) is SpanExportResult.SUCCESS
        collector.unavailable = True
        exporter.export(two_spans())  # within the minute
    assert [(line["event"], line["lost"]) for line in lines] == [
        ("trace_export_failed", 2),
        ("trace_export_recovered", 6),
    ]


async def test_a_collector_that_does_not_answer_does_not_delay_the_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "SHUTDOWN_TIMEOUT_SECONDS", 0.05)
    collector = Collector()
    collector.answer.clear()
    async with Traces.create("service", exporter=collector) as traces:
        with traces.span("last", "server", {}, None):
            pass
    assert not collector.answer.is_set()
    assert await asyncio.to_thread(collector.called.wait, 20)
    collector.answer.set()


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("http://collector/otlp/traces", "http://collector/otlp/traces"),
    ],
)
def test_the_path_of_the_collector_is_completed(
    endpoint: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []

    def otlp_exporter(url: str, **_: object) -> Collector:
        urls.append(url)
        return Collector()

    monkeypatch.setattr(delivery, "OTLPSpanExporter", otlp_exporter)
    delivery.exporter_to(endpoint, "orders")
    assert urls == [url]
