"""given(events).when(command).then(events): a domain's behaviour as one sentence."""

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
    decider: Decider[S, C, E]
    history: tuple[E, ...] = ()
    moment: DecisionContext = NOON

    def given(self, *events: E) -> "Scenario[S, C, E]":
        return replace(self, history=events)

    def at(self, moment: DecisionContext) -> "Scenario[S, C, E]":
        return replace(self, moment=moment)

    def when(self, command: C) -> "Decided[S, C, E]":
        return Decided(self, command)


@dataclass(frozen=True)
class Decided(Generic[S, C, E]):
    scenario: Scenario[S, C, E]
    command: C

    def then(self, *expected: E) -> None:
        assert self._events() == list(expected)

    def then_nothing(self) -> None:
        assert self._events() == []

    def then_rejected(self, code: str) -> None:
        with pytest.raises(Rejected) as refusal:
            self._events()
        assert refusal.value.code == code

    def _events(self) -> Sequence[E]:
        decider = self.scenario.decider
        state = decider.fold(self.scenario.history)
        return decider.decide(state, self.command, self.scenario.moment)
