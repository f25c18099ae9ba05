"""A decision as data: what a domain declares and what it may know (pure)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from contracts.messages import Rejection, RejectionKind

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What the edge knows and a pure function may not ask for: the time and fresh chance."""

    at_ms: int
    """Milliseconds since the UNIX epoch."""
    entropy: bytes
    """Thirty-two random bytes, new at every attempt."""
    taken: frozenset[str] = frozenset()
    """Claims that other streams were found to hold when this was tried a moment ago."""

    @property
    def at(self) -> int:
        """UNIX seconds, as messages carry them."""
        return self.at_ms // 1000


class Rejected(Exception):
    """A command is refused, in words that its sender may read."""

    def __init__(self, detail: str, *, code: str, kind: RejectionKind = "conflict") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.kind: RejectionKind = kind

    def as_message(self) -> Rejection:
        return Rejection(kind=self.kind, code=self.code, detail=self.detail)


def claims_nothing(_event: object) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """`decide(state, command, moment) -> events` and `evolve(state, event) -> state`.

    `decide` answers `[]` when there is nothing to do and raises `Rejected` to refuse; `evolve`
    never refuses. `claims` names what an event takes for its stream alone, for ever (a unique
    name): the store commits events and claims together or not at all.
    """

    initial: S
    decide: Callable[[S, C, DecisionContext], list[E]]
    evolve: Callable[[S, E], S]
    claims: Callable[[E], Sequence[str]] = claims_nothing

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        return reduce(self.evolve, events, self.initial if state is None else state)
