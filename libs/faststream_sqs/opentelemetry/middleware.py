"""Provide the OpenTelemetry middleware of a broker."""

from typing import TYPE_CHECKING

from faststream.opentelemetry.middleware import TelemetryMiddleware

from faststream_sqs.opentelemetry.provider import telemetry_provider
from faststream_sqs.response import SQSPublishCommand

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import TracerProvider


class SQSTelemetryMiddleware(TelemetryMiddleware[SQSPublishCommand]):
    """Record spans and metrics for what is sent and consumed; context travels in the headers.

    Args:
        tracer_provider: None: the global one.
        meter_provider: None: the global one.
        meter: None: one of the provider's.
        include_messages_counters: Count messages besides measuring durations. Default: True.
    """

    def __init__(
        self,
        *,
        tracer_provider: "TracerProvider | None" = None,
        meter_provider: "MeterProvider | None" = None,
        meter: "Meter | None" = None,
        include_messages_counters: bool = True,
    ) -> None:
        super().__init__(
            settings_provider_factory=telemetry_provider,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            meter=meter,
            include_messages_counters=include_messages_counters,
        )
