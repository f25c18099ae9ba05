"""Test a decider in one line: given(events).when(command).then(events)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import pytest

from chassis.decide.decider import Decider, DecisionContext, Rejected

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

NOON = DecisionContext(at_ms=1_800_000_000_000, entropy=bytes(range(32)))


@dataclass(frozen=True)
class Scenario(Generic[S, C, E]):
    """Hold the history and the context of a decision."""

    decider: Decider[S, C, E]
    history: tuple[E, ...] = ()
    context: DecisionContext = NOON

    def given(self, *events: E) -> "Scenario[S, C, E]":
        return replace(self, history=events)

    def at(self, context: DecisionContext) -> "Scenario[S, C, E]":
        return replace(self, context=context)

    def when(self, command: C) -> "Decided[S, C, E]":
        return Decided(self, command)


@dataclass(frozen=True)
class Decided(Generic[S, C, E]):
    """Check the decision on a command."""

    scenario: Scenario[S, C, E]
    command: C

    def then(self, *expected: E) -> None:
        assert self._events() == list(expected)

    def then_nothing(self) -> None:
        assert self._events() == []

    def then_rejected(self, code: str) -> None:
        with pytest.raises(Rejected) as rejected:
            self._events()
        assert rejected.value.code == code

    def _events(self) -> Sequence[E]:
        decider = self.scenario.decider
        state = decider.fold(self.scenario.history)
        return decider.decide(state, self.command, self.scenario.context)
