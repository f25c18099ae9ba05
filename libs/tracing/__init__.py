"""Traces: off unless a collector is named, and then nothing of OpenTelemetry is even imported."""

from typing import TYPE_CHECKING

from chassis.run.settings import ProcessSettings

if TYPE_CHECKING:
    from tracing.spans import Traces

__all__ = ("traces_of",)


def traces_of(settings: ProcessSettings, service: str) -> "Traces | None":
    """What makes and sends the spans of this process; None: nobody asked for them."""
    if not settings.traces:
        return None
    from tracing.spans import Traces  # noqa: PLC0415  an optional extra, and 100 ms

    return Traces.of(settings, service)
