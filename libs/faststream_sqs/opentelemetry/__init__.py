"""Record traces and metrics with OpenTelemetry, if it is installed."""

from faststream_sqs.opentelemetry.middleware import SQSTelemetryMiddleware

__all__ = ("SQSTelemetryMiddleware",)
