"""Define deciders: the pure functions of a domain, and the context that they receive."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Generic, TypeVar

from contracts.messages import Rejection, RejectionKind

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Provide a pure decision with the time and with random bytes."""

    at_ms: int
    """Milliseconds since the UNIX epoch."""
    entropy: bytes
    """Thirty-two random bytes, new at every attempt."""
    taken: frozenset[str] = frozenset()
    """Claims that an earlier attempt found to be held by other streams."""
    holders: Mapping[str, str] = field(default_factory=dict)
    """Claim in `taken` -> the stream that holds it."""

    @property
    def at(self) -> int:
        """Return the time in UNIX seconds, as messages carry it."""
        return self.at_ms // 1000


class Rejected(Exception):
    """A command is rejected; `detail` explains it to the sender."""

    def __init__(self, detail: str, *, code: str, kind: RejectionKind = "conflict") -> None:
        """Reject with a text for people, a code for programs, and the kind of HTTP status."""
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.kind: RejectionKind = kind

    def as_message(self) -> Rejection:
        """Return the rejection as part of an outcome."""
        return Rejection(kind=self.kind, code=self.code, detail=self.detail)


def claims_nothing(_event: object) -> Sequence[str]:
    """Return no claims: the default of `Decider.claims`."""
    return ()


def requires_nothing(_state: object, _events: object, _context: object) -> Sequence[str]:
    """Return no claims: the default of `Decider.requires_unclaimed`."""
    return ()


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """Decide on commands: `decide(state, command, context) -> events`, `evolve(state, event)`.

    `decide` returns `[]` if there is nothing to do and raises `Rejected` to reject the command.
    `evolve` accepts every event. `claims` names what an event reserves for its stream forever,
    such as a unique name: the store writes events and claims together or not at all.
    `requires_unclaimed` names, for the state before the events, the events and the context, the
    claims that no other stream may hold when the store writes them: a decision can rely on a claim
    that is free.
    """

    initial: S
    decide: Callable[[S, C, DecisionContext], list[E]]
    evolve: Callable[[S, E], S]
    claims: Callable[[E], Sequence[str]] = claims_nothing
    requires_unclaimed: Callable[[S, Sequence[E], DecisionContext], Sequence[str]] = (
        requires_nothing
    )

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """Return the state after the events; `state` is the state before, default `initial`."""
        return reduce(self.evolve, events, self.initial if state is None else state)
