"""Deliver finished spans to an OpenTelemetry collector without delaying anyone who ends a span."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

MAX_QUEUED_SPANS: Final = 2_048
"""When more spans are waiting, the oldest are dropped."""
BATCH_SPANS: Final = 512
EXPORT_INTERVAL_MILLISECONDS: Final = 1_000
EXPORT_TIMEOUT_SECONDS: Final = 3.0
"""For one batch, its retries included; a batch that is not accepted by then is lost."""
SHUTDOWN_TIMEOUT_SECONDS: Final = 3.0
"""How long a stopping process waits for its last spans to be delivered."""
WARNING_INTERVAL_SECONDS: Final = 60.0
"""At most one warning in this time reports that the collector is unavailable."""
TRACES_PATH: Final = "/v1/traces"

log = structlog.get_logger(__name__)


def exporter_to(endpoint: str, service: str) -> SpanExporter:
    """Return an exporter that sends to a collector by OTLP over HTTP.

    Args:
        endpoint: URL of the collector; `/v1/traces` is appended if it has no path.
        service: Name of the service in log lines about failed exports.

    `OTEL_EXPORTER_OTLP_HEADERS` in the environment holds the headers to send, such as an API key.
    """
    url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + TRACES_PATH
    return OutageLoggingExporter(OTLPSpanExporter(url, timeout=EXPORT_TIMEOUT_SECONDS), service)


def batch_processor(exporter: SpanExporter) -> BatchSpanProcessor:
    """Return a processor that collects spans and exports them from a thread of its own.

    OpenTelemetry's own loggers are silenced: they write several lines for each failed batch.
    """
    for noisy in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    return BatchSpanProcessor(
        exporter,
        max_queue_size=MAX_QUEUED_SPANS,
        max_export_batch_size=BATCH_SPANS,
        schedule_delay_millis=EXPORT_INTERVAL_MILLISECONDS,
    )


class OutageLoggingExporter(SpanExporter):
    """Log that a collector is unavailable, once a minute at most, and that it has recovered."""

    def __init__(self, inner: SpanExporter, service: str) -> None:
        self._inner = inner
        self._service = service  # a thread does not see the process's bound log context
        self._lost = 0
        self._warned = False
        self._next_warning = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export a batch; an exception of the inner exporter counts as a failed export."""
        result = self._try_export(spans)
        if result is SpanExportResult.SUCCESS:
            self._succeeded()
        else:
            self._failed(len(spans))
        return result

    def shutdown(self) -> None:
        """Shut the inner exporter down."""
        self._inner.shutdown()

    def _try_export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._inner.export(spans)
        except Exception:  # noqa: BLE001  a broken collector must never break its clients
            return SpanExportResult.FAILURE

    def _failed(self, count: int) -> None:
        self._lost += count
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + WARNING_INTERVAL_SECONDS
            self._warned = True
            log.warning("trace_export_failed", service=self._service, lost=self._lost)

    def _succeeded(self) -> None:
        if self._warned:
            log.info("trace_export_recovered", service=self._service, lost=self._lost)
        self._lost, self._warned = 0, False


async def shut_down(provider: TracerProvider) -> None:
    """Export the remaining spans and stop; give up after `SHUTDOWN_TIMEOUT_SECONDS`."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def flush() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(done.set)

    # not one of the loop's threads: the interpreter waits for those when it exits
    threading.Thread(target=flush, name="final-span-export", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SHUTDOWN_TIMEOUT_SECONDS):
            await done.wait()
