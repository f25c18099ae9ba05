"""Describe a scenario: a kind of launch, what must be found in it, and who may look at it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.worlds.world import World

Split = Literal["tuning", "held-out"]
TUNING_SEEDS: Final = (1, 2)
HELD_OUT_SEEDS: Final = (3, 4, 5)
PRECISION: Final = 0.98
RECALL: Final = 0.95
SUSPECTED: Final = 0.9
"""Least share of the suspects that a report must point out."""

Build = Callable[[World, int], None]
"""Fill a world; the number scales how many people take part."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Describe one kind of launch."""

    name: str
    build: Build
    split: Split
    recall: float | None
    """Least share of the required pairs that must be found; None if it is only reported."""

    def world(self, seed: int, scale: int = 1) -> World:
        """Return the world of a seed."""
        world = World(seed)
        self.build(world, scale)
        return world

    def seeds(self, split: Split | None) -> tuple[int, ...]:
        """Return the seeds that a run over a split, or over everything, may use."""
        if split == "tuning":
            return TUNING_SEEDS
        return HELD_OUT_SEEDS if split == "held-out" else TUNING_SEEDS + HELD_OUT_SEEDS


SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(*, recall: float | None = RECALL) -> Callable[[Build], Build]:
    """Register a function as a scenario, named for it; its package says who may look at it."""

    def register(build: Build) -> Build:
        name = build.__name__.replace("_", "-")
        assert name not in SCENARIOS
        split: Split = "held-out" if ".held_out." in build.__module__ else "tuning"
        SCENARIOS[name] = Scenario(name, build, split, recall)
        return build

    return register
