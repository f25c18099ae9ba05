"""What Prometheus may know of a service: projection and rebuilds, never a stream or a person."""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import RedisError

from chassis.views.inspection import Inspection
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.run import Rebuilder

Samples = list[tuple[list[str], float]]


@dataclass(frozen=True, slots=True)
class ServiceMetrics:
    """The figures of one process, and what Redis says of read models at the moment of asking."""

    rebuilder: Rebuilder[Any]

    async def exposition(self) -> bytes:
        registry = CollectorRegistry()
        registry.register(_Once(tuple([family async for family in self._families()])))
        return generate_latest(registry)

    async def _families(self) -> AsyncIterator[Metric]:
        projector = self.rebuilder.projector
        counts = projector.counts
        yield _counter(
            "projection_changes",
            "Changes to read models, by what the guard said of them.",
            ["status"],
            [
                (["applied"], counts.applied),
                (["duplicate"], counts.duplicates),
                (["gap"], counts.gaps),
            ],
        )
        yield _gauge(
            "projection_lag_seconds",
            "From append to read model, of the last command that this process projected.",
            [],
            [([], projector.lag_seconds)],
        )
        try:
            families = await self._of_redis()
        except RedisError:
            yield _gauge("read_models_reachable", "Whether Redis answers.", [], [([], 0)])
            return
        yield _gauge("read_models_reachable", "Whether Redis answers.", [], [([], 1)])
        for family in families:
            yield family

    async def _of_redis(self) -> Iterable[Metric]:
        generations: Samples = []
        parked: Samples = []
        for copy in await Inspection(self.rebuilder.projector).statuses():
            number = str(copy.number or "")
            generations.append(([copy.name, number, copy.state.lower()], 1))
            parked.append(([copy.name, number], len(copy.parked)))
        rebuilds: dict[str, Samples] = {"events": [], "gaps": [], "duplicates": [], "repaired": []}
        done: Samples = []
        for model in self.rebuilder.projector.models:
            progress = await RebuildControl(self.rebuilder.plans).progress(model.name)
            if progress is not None:
                labels = [model.name, str(progress.generation)]
                for name, samples in rebuilds.items():
                    samples.append((labels, getattr(progress, name)))
                done.append(([*labels, progress.state], progress.segments_done / progress.segments))
        of = ["read_model", "generation"]
        return [
            _gauge(
                "read_model_state", "Each generation, and its state.", [*of, "state"], generations
            ),
            _gauge("read_model_parked_streams", "Streams that a fold cannot take.", of, parked),
            _gauge("rebuild_done_ratio", "Segments done of a pass.", [*of, "state"], done),
            *(
                _gauge(f"rebuild_{name}", f"{name.capitalize()} of the last rebuild.", of, samples)
                for name, samples in rebuilds.items()
            ),
        ]


@dataclass(frozen=True, eq=False)
class _Once:
    families: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        return iter(self.families)


def _gauge(name: str, about: str, labels: list[str], samples: Samples) -> Metric:
    return _with(GaugeMetricFamily(name, about, labels=labels), samples)


def _counter(name: str, about: str, labels: list[str], samples: Samples) -> Metric:
    return _with(CounterMetricFamily(name, about, labels=labels), samples)


def _with(family: Any, samples: Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    metric: Metric = family
    return metric
