"""Expose the metrics of a service; labels never name a stream or a person."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from chassis.bus.command_counts import COMMANDS, CommandCounts
from chassis.resilience.outage import is_outage
from chassis.resilience.outages import OUTAGES, Outages
from chassis.run.deliveries import MESSAGES
from chassis.run.exposition import ProcessMetrics, Samples, counter, gauge, histogram
from chassis.views.inspection import Inspection
from chassis.views.rebuild.control import RebuildControl
from chassis.views.rebuild.run import Rebuilder

Families = Callable[[], Awaitable[Iterable[Metric]]]
"""Returns further metrics of a service on each scrape."""
GIVEN_UP: Final[Counter[tuple[str, str]]] = Counter()
"""(what, why) -> how often this process gave something up for good, such as a mail."""
_GENERATION: Final = ["read_model", "generation"]


@dataclass(frozen=True, slots=True)
class ServiceMetrics:
    """Collect the metrics of one process, and the state of the read models in Redis."""

    rebuilder: Rebuilder[Any]
    outages: Outages = OUTAGES
    messages: Counter[tuple[str, str]] = field(default_factory=lambda: MESSAGES)
    """(queue, result) -> messages that were handled, returned, failed, …."""
    commands: CommandCounts = COMMANDS
    further: Sequence[Families] = ()
    """Metrics of this service alone."""

    async def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Once(tuple([family async for family in self._families()])))
        return generate_latest(registry)

    async def _families(self) -> AsyncIterator[Metric]:
        for family in (
            *ProcessMetrics(self.outages).collect(),
            *self._command_families(),
            self._message_family(),
            _given_up_family(),
        ):
            yield family
        projector = self.rebuilder.projector
        counts = projector.counts
        yield counter(
            "projection_changes",
            "Changes to read models, by result of the version check.",
            ["status"],
            [
                (["applied"], counts.applied),
                (["duplicate"], counts.duplicates),
                (["gap"], counts.gaps),
            ],
        )
        yield gauge(
            "projection_lag_seconds",
            "Seconds from append to read model, for the last command of this process.",
            [],
            [([], projector.lag_seconds)],
        )
        try:
            families = await self._read_model_families()
        except Exception as error:
            if not is_outage(error):
                raise
            yield gauge("read_models_reachable", "1 if Redis responds, 0 if not.", [], [([], 0)])
            return
        yield gauge("read_models_reachable", "1 if Redis responds, 0 if not.", [], [([], 1)])
        for family in families:
            yield family

    def _command_families(self) -> Iterable[Metric]:
        return (
            histogram(
                "command_seconds",
                "Time from the delivery of a command to its result, by type.",
                ("command", "result"),
                self.commands.durations,
            ),
            counter(
                "commands_rejected",
                "Commands that the domain rejected, by type and code.",
                ["command", "code"],
                [([name, code], count) for (name, code), count in self.commands.rejections.items()],
            ),
        )

    def _message_family(self) -> Metric:
        return counter(
            "messages",
            "Messages by result: handled, returned, not_yet, failed, or rejected.",
            ["queue", "result"],
            [([queue, result], count) for (queue, result), count in self.messages.items()],
        )

    async def _read_model_families(self) -> Iterable[Metric]:
        own = [family for families in self.further for family in await families()]
        return [*await self._generation_families(), *await self._rebuild_families(), *own]

    async def _generation_families(self) -> Iterable[Metric]:
        states: Samples = []
        parked: Samples = []
        for status in await Inspection(self.rebuilder.projector).statuses():
            number = str(status.number or "")
            states.append(([status.name, number, status.state.lower()], 1))
            parked.append(([status.name, number], len(status.parked)))
        return [
            gauge(
                "read_model_state",
                "1 for the current state of each generation.",
                [*_GENERATION, "state"],
                states,
            ),
            gauge(
                "read_model_parked_streams",
                "Streams that could not be folded and are parked.",
                _GENERATION,
                parked,
            ),
        ]

    async def _rebuild_families(self) -> Iterable[Metric]:
        counts: dict[str, Samples] = {"events": [], "gaps": [], "duplicates": [], "repaired": []}
        done: Samples = []
        for model in self.rebuilder.projector.models:
            progress = await RebuildControl(self.rebuilder.plans).progress(model.name)
            if progress is None:
                continue
            labels = [model.name, str(progress.generation)]
            for name, samples in counts.items():
                samples.append((labels, getattr(progress, name)))
            done.append(([*labels, progress.state], progress.segments_done / progress.segments))
        about = "Share of segments done in the current pass."
        return [
            gauge("rebuild_done_ratio", about, [*_GENERATION, "state"], done),
            *(
                gauge(
                    f"rebuild_{name}",
                    f"{name.capitalize()} of the last rebuild.",
                    _GENERATION,
                    samples,
                )
                for name, samples in counts.items()
            ),
        ]


def _given_up_family() -> Metric:
    return counter(
        "given_up",
        "What was given up for good, such as a mail, and why.",
        ["what", "why"],
        [([what, why], count) for (what, why), count in GIVEN_UP.items()],
    )


@dataclass(frozen=True, eq=False)
class _Once:
    families: tuple[Metric, ...]

    def collect(self) -> Iterator[Metric]:
        return iter(self.families)
