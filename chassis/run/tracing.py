"""Open the traces of a process, if its settings name a collector."""

from typing import TYPE_CHECKING

from chassis.run.settings import ProcessSettings

if TYPE_CHECKING:
    from tracing.spans import Traces


def open_traces(settings: ProcessSettings, service: str) -> "Traces | None":
    """Return the traces of this process, or None if `settings.traces` names no collector.

    Without a collector OpenTelemetry is not imported.
    """
    if not settings.traces:
        return None
    # an optional extra, and 100 ms
    from tracing.delivery import exporter_to  # noqa: PLC0415
    from tracing.spans import Traces  # noqa: PLC0415

    return Traces.create(
        service,
        exporter=exporter_to(settings.traces, service),
        share=settings.trace_share,
        namespace=settings.stack,
    )
