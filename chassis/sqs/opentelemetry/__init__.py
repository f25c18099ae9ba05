"""Traces and metrics by OpenTelemetry, if it is installed."""

from chassis.sqs.opentelemetry.middleware import SQSTelemetryMiddleware

__all__ = ("SQSTelemetryMiddleware",)
