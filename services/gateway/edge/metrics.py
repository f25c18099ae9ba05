"""What Prometheus may know: by route template, never by path, person or address."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import HistogramMetricFamily, Metric

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 25)
_NAMES: Final = [str(float(bound)) for bound in _BUCKETS] + ["+Inf"]
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class _Row:
    """The answers of one method, route and status."""

    counts: list[int] = field(default_factory=lambda: [0] * len(_NAMES))
    seconds: float = 0.0


class Latencies:
    """A histogram as the library's own, but for its locks and labels: one thread counts here."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, int], _Row] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        row = self._rows.get((method, route, status))
        if row is None:
            row = self._rows[method, route, status] = _Row()
        row.counts[bisect_left(_BUCKETS, seconds)] += 1
        row.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "gateway_request_seconds",
            "Time from request to answer.",
            labels=("method", "route", "status"),
        )
        for (method, route, status), row in self._rows.items():
            buckets = list(zip(_NAMES, accumulate(row.counts), strict=True))
            family.add_metric((method, route, str(status)), buckets, row.seconds)
        yield family


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.latencies = Latencies()
        self.registry.register(self.latencies)
        self._refused = Counter(
            "gateway_limit_refusals",
            "Charges that found no room; in shadow mode they passed all the same.",
            ("limit", "shadow"),
            registry=self.registry,
        )

    def refused(self, limit: str, *, shadow: bool) -> None:
        self._refused.labels(limit, "yes" if shadow else "no").inc()

    def show(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A figure that is read when it is asked for."""
        Gauge(name, about, registry=self.registry).set_function(read)

    async def serve(self, _request: web.Request) -> web.StreamResponse:
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": _TYPE})
