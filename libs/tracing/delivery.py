"""Spans on their way to the collector: gathered, bounded, and in nobody's way."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from chassis.resilience.log_throttle import LogThrottle

QUEUE: Final = 2_048
"""Spans that wait at most; when there are more the oldest are dropped."""
BATCH: Final = 512
EVERY_MILLISECONDS: Final = 1_000
CALL_SECONDS: Final = 3.0
"""For a batch with its repetitions; what is not taken by then is lost."""
STOP_SECONDS: Final = 3.0
"""A process that ends waits no longer for its last spans to be taken."""
TELL_SECONDS: Final = 60.0
PATH: Final = "/v1/traces"

log = structlog.get_logger(__name__)


def exporter_to(endpoint: str, service: str) -> SpanExporter:
    """Sends to a collector, by OTLP over HTTP; `OTEL_EXPORTER_OTLP_HEADERS` holds its key."""
    url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH
    return Quiet(OTLPSpanExporter(url, timeout=CALL_SECONDS), service)


def gathering(exporter: SpanExporter) -> BatchSpanProcessor:
    """Sends by a thread of its own; nobody who ends a span waits."""
    for loud in ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal"):
        logging.getLogger(loud).setLevel(logging.CRITICAL)  # several lines for every batch
    return BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE,
        max_export_batch_size=BATCH,
        schedule_delay_millis=EVERY_MILLISECONDS,
    )


class Quiet(SpanExporter):
    """Tells that the collector is away, once a minute at most, and that it is back."""

    def __init__(self, inner: SpanExporter, service: str) -> None:
        self._inner = inner
        self._service = service  # a thread has no part in the context of the process's log
        self._lost = 0
        self._told = False
        self._seldom = LogThrottle(TELL_SECONDS)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._sent(spans)
        if result is SpanExportResult.SUCCESS:
            self._back()
        else:
            self._away(len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def _sent(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            return self._inner.export(spans)
        except Exception:  # noqa: BLE001  whatever is wrong with a collector is no matter of ours
            return SpanExportResult.FAILURE

    def _away(self, count: int) -> None:
        self._lost += count
        if self._seldom.times():
            self._told = True
            log.warning("traces_not_taken", service=self._service, lost=self._lost)

    def _back(self) -> None:
        if self._told:
            log.info("traces_taken_again", service=self._service, lost=self._lost)
        self._lost, self._told = 0, False


async def flushed(provider: TracerProvider) -> None:
    """Send what is left, and stop; a collector that does not answer is left behind."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def flush() -> None:
        provider.shutdown()
        with contextlib.suppress(RuntimeError):  # too late: the loop is closed
            loop.call_soon_threadsafe(done.set)

    # of the loop's own threads the interpreter would wait for the end
    threading.Thread(target=flush, name="last-spans", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await done.wait()
