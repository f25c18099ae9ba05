"""Make families of metrics for Prometheus; labels never name a stream or a person."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from chassis.bus.time_histogram import BOUNDS, TimeHistogram
from chassis.resilience.outages import OUTAGES, Outages

Samples = list[tuple[list[str], float]]
"""Values of the labels, and the value."""
_BUCKETS: Final = [*(str(float(bound)) for bound in BOUNDS), "+Inf"]


def gauge(name: str, description: str, labels: list[str], samples: Samples) -> Metric:
    """Return a gauge with a sample for each combination of labels."""
    return _with(GaugeMetricFamily(name, description, labels=labels), samples)


def counter(name: str, description: str, labels: list[str], samples: Samples) -> Metric:
    """Return a counter; Prometheus shows it as `<name>_total`."""
    return _with(CounterMetricFamily(name, description, labels=labels), samples)


def histogram(
    name: str, description: str, labels: Iterable[str], durations: TimeHistogram
) -> Metric:
    """Return a histogram of durations."""
    family = HistogramMetricFamily(name, description, labels=list(labels))
    for values, row in durations.rows.items():
        buckets = list(zip(_BUCKETS, accumulate(row.counts), strict=True))
        family.add_metric([str(value) for value in values], buckets, row.seconds)
    metric: Metric = family
    return metric


def _with(family: Any, samples: Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    metric: Metric = family
    return metric


@dataclass(frozen=True, slots=True, eq=False)
class ProcessMetrics:
    """Collect what every process exposes: its outages, and its CPU, memory and open files."""

    outages: Outages = OUTAGES

    def collect(self) -> Iterator[Metric]:
        """Yield the families; `process_*` only where the system has /proc."""
        yield from self._outage_families()
        yield from PROCESS_COLLECTOR.collect()

    def _outage_families(self) -> Iterable[Metric]:
        current = Counter(outage.name for outage in self.outages.current)
        totals, seconds = self.outages.totals, self.outages.seconds()
        labels = ["dependency"]
        return (
            gauge(
                "outages",
                "Outages that have not ended, by dependency or failing task.",
                labels,
                [([name], current[name]) for name in totals],
            ),
            counter(
                "outages_started",
                "Outages that have begun.",
                labels,
                [([name], total) for name, total in totals.items()],
            ),
            counter(
                "outage_seconds",
                "Seconds spent in outages.",
                labels,
                [([name], spent) for name, spent in seconds.items()],
            ),
        )
