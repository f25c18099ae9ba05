"""Metrics by Prometheus, if its client is installed."""

from chassis.sqs.prometheus.middleware import SQSPrometheusMiddleware

__all__ = ("SQSPrometheusMiddleware",)
