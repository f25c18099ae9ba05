"""Provide the Prometheus middleware of a broker."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from faststream.prometheus.middleware import PrometheusMiddleware

from faststream_sqs.faststream_internals import EMPTY
from faststream_sqs.message import SQSRawMessage
from faststream_sqs.prometheus.provider import metrics_provider
from faststream_sqs.response import SQSPublishCommand

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class SQSPrometheusMiddleware(
    PrometheusMiddleware[SQSRawMessage | list[SQSRawMessage], SQSPublishCommand]
):
    """Record counts, sizes and durations of what is sent and consumed, by queue name.

    Args:
        registry: Where the metrics are registered.
        app_name: Label `app_name`. Default: the prefix.
        metrics_prefix: First part of all names. Default: `faststream`.
        received_messages_size_buckets: Bytes; None: FastStream's buckets.
        custom_labels: Further labels, fixed or computed from the message.
    """

    def __init__(
        self,
        *,
        registry: "CollectorRegistry",
        app_name: str = EMPTY,
        metrics_prefix: str = "faststream",
        received_messages_size_buckets: Sequence[float] | None = None,
        custom_labels: dict[str, str | Callable[[Any], str]] | None = None,
    ) -> None:
        super().__init__(
            settings_provider_factory=metrics_provider,
            registry=registry,
            app_name=app_name,
            metrics_prefix=metrics_prefix,
            received_messages_size_buckets=received_messages_size_buckets,
            custom_labels=custom_labels,
        )
