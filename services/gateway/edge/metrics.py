"""Collect metrics for Prometheus, by route template: never by path, person or address."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import Metric

from chassis.bus.time_histogram import TimeHistogram
from chassis.run.exposition import ProcessMetrics, histogram
from chassis.run.health import CONTENT_TYPE


class Metrics:
    """Collect the metrics of one process.

    Args:
        worker: Number of the worker, which all samples have as a label. None: they have none.
    """

    def __init__(self, worker: int | None = None) -> None:
        self.registry = CollectorRegistry()
        self.worker = worker
        self.durations = TimeHistogram()
        self.registry.register(_Requests(self.durations))
        self.registry.register(ProcessMetrics())
        self._rejections = Counter(
            "gateway_rate_limit_rejections",
            "Charges that exceeded a limit; in shadow mode the request was admitted nevertheless.",
            ("limit", "shadow"),
            registry=self.registry,
        )

    def count_rejection(self, limit: str, *, shadow: bool) -> None:
        """Count a charge that exceeded a rate limit."""
        self._rejections.labels(limit, "yes" if shadow else "no").inc()

    def add_gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read on each scrape."""
        Gauge(name, description, registry=self.registry).set_function(read)

    def exposition(self) -> bytes:
        """Return the metrics of this process in Prometheus' text format."""
        if self.worker is None:
            return generate_latest(self.registry)
        labelled: Any = _OfWorker(self.registry, str(self.worker))
        return generate_latest(labelled)

    async def serve(self, _request: web.Request) -> web.StreamResponse:
        """Respond with the metrics of this process."""
        return web.Response(body=self.exposition(), headers={"Content-Type": CONTENT_TYPE})


@dataclass(frozen=True, slots=True, eq=False)
class _Requests:
    """Collect the durations of requests, by method, route and status."""

    durations: TimeHistogram

    def collect(self) -> Iterator[Metric]:
        yield histogram(
            "gateway_request_seconds",
            "Time from request to response.",
            ("method", "route", "status"),
            self.durations,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _OfWorker:
    """Collect all metrics of a registry with the label `worker`."""

    registry: CollectorRegistry
    worker: str

    def collect(self) -> Iterator[Metric]:
        for family in self.registry.collect():
            family.samples = [
                sample._replace(labels={**sample.labels, "worker": self.worker})
                for sample in family.samples
            ]
            yield family
