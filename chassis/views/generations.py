"""Define the generations of a read model, and which of them a live projection writes.

A generation is one complete set of a read model's keys. The service's control hash names up to
three of them for each read model: the one that readers get (`<name>`), the one that a rebuild is
filling (`<name>:building`) and the one that was served before (`<name>:previous`). A value is
`<number>.<fold version>`; a missing fold version means 1.

Which generations does a live projection write?

1.  It writes every generation that the control hash names and whose fold version is its own: so
    the generation being built and the one kept for a rollback stay up to date like the served one
    (`written_by`). Generations of another fold version belong to the instances that have that
    fold; it records the stream for them under `pending_key` and does not touch them.
2.  It reads the control hash *after* the append, in the same round trip as its writes, and repeats
    until it has written every generation named there (`Projector.project`). A rebuild names its
    generation before it begins to scan (`begin` in rebuild.lua). So a commit is either appended
    before the scan starts, and the scan reads it, or its projection sees the new generation.
    No instance has to be waited for.
3.  A live projection and a scan may write the same stream. apply.lua accepts a change only if it
    continues the stream's stored version, or was folded from the first event; what has been
    applied is a duplicate, and what would leave a hole is a gap that the writer fills from the log.
4.  Only rebuild.lua changes what the control hash names, and a number is never used twice, because
    it is taken from a counter that is kept apart:
    `begin` names a new generation, `switch` serves it and keeps its predecessor only if both have
    the same fold version, `rollback` exchanges the two, cancelling a rebuild drops its name. A
    generation that is no longer named is not written any more, and its keys are deleted. A page
    that was being written at that moment may leave keys behind; no reader looks at them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Role = Literal["serving", "building", "previous"]

_ROLES: dict[str, Role] = {"": "serving", ":building": "building", ":previous": "previous"}


@dataclass(frozen=True, slots=True)
class Generation:
    """Describe one generation of a read model, as the control hash names it."""

    name: str
    number: int
    version: int
    """Version of the fold that writes it."""
    role: Role

    @property
    def value(self) -> str:
        """The generation as the control hash stores it: `<number>.<fold version>`."""
        return f"{self.number}.{self.version}"


@dataclass(frozen=True, slots=True)
class Share:
    """Say what a control hash demands of a process with these folds."""

    control: Mapping[bytes, bytes]
    written: frozenset[tuple[str, int]]
    """(read model, number) of the generations that the folds write."""
    by_others: frozenset[tuple[str, int]]
    """(read model, fold version) of the generations that only other folds write."""
    is_missing: bool
    """Whether a read model has no generation at all."""

    @classmethod
    def of(cls, control: Mapping[bytes, bytes], versions: Mapping[str, int]) -> "Share":
        """Compute it; `versions` maps each read model to the version of its fold."""
        generations = parse_generations(control)
        return cls(
            control,
            written_by(versions, generations),
            written_by_others(versions, generations),
            not versions.keys() <= {each.name for each in generations},
        )


def parse_generations(control: Mapping[bytes, bytes]) -> list[Generation]:
    """Return every generation that a control hash names."""
    return [_generation(key, value) for key, value in control.items()]


@lru_cache(maxsize=1_024)
def _generation(key: bytes, value: bytes) -> Generation:
    name, colon, role = key.decode().partition(":")
    number, _, version = value.decode().partition(".")
    return Generation(name, int(number), int(version or 1), _ROLES[colon + role])


def serving(control: Mapping[bytes, bytes]) -> dict[str, Generation]:
    """Return the generation that readers get of each read model."""
    return {each.name: each for each in parse_generations(control) if each.role == "serving"}


def written_by(
    versions: Mapping[str, int], generations: Iterable[Generation]
) -> frozenset[tuple[str, int]]:
    """Return (read model, number) of the generations that these folds write.

    `versions` maps a read model to the version of the caller's fold.
    """
    return frozenset(
        (each.name, each.number) for each in generations if versions.get(each.name) == each.version
    )


def written_by_others(
    versions: Mapping[str, int], generations: Iterable[Generation]
) -> frozenset[tuple[str, int]]:
    """Return (read model, fold version) of the generations that only other folds write."""
    return frozenset(
        (each.name, each.version)
        for each in generations
        if each.name in versions and each.version != versions[each.name]
    )
