"""Record metrics with Prometheus, if its client is installed."""

from faststream_sqs.prometheus.middleware import SQSPrometheusMiddleware

__all__ = ("SQSPrometheusMiddleware",)
