"""What Prometheus may know: by route template, never by path, person or address."""

from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 25)
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "gateway_request_seconds",
            "Time from request to answer.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._refused = Counter(
            "gateway_limit_refusals",
            "Charges that found no room; in shadow mode they passed all the same.",
            ("limit", "shadow"),
            registry=self.registry,
        )
        self._known: dict[tuple[str, str, int], Histogram] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        child = self._known.get((method, route, status))
        if child is None:  # looking a child up costs more than observing
            child = self._seconds.labels(method, route, str(status))
            self._known[method, route, status] = child
        child.observe(seconds)

    def refused(self, limit: str, *, shadow: bool) -> None:
        self._refused.labels(limit, "yes" if shadow else "no").inc()

    def show(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A figure that is read when it is asked for."""
        Gauge(name, about, registry=self.registry).set_function(read)

    async def serve(self, _request: web.Request) -> web.StreamResponse:
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": _TYPE})
