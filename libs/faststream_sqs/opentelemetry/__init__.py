"""Traces and metrics by OpenTelemetry, if it is installed."""

from faststream_sqs.opentelemetry.middleware import SQSTelemetryMiddleware

__all__ = ("SQSTelemetryMiddleware",)
