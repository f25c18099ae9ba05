"""Suppress all mail to an address: the aggregate of `suppression-…` (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from chassis.decide.decider import Decider, DecisionContext
from contracts.invites import (
    AddressSuppressed,
    Reason,
    SuppressAddress,
    SuppressionCommand,
    SuppressionEvent,
)

_WEIGHTS: Final[Mapping[Reason, int]] = {
    "unsubscribe": 1,
    "member": 2,
    "bounce": 3,
    "complaint": 4,
}
"""Reasons in order: the person changed their mind, is here already, cannot be reached, objects."""

# State


@dataclass(frozen=True, slots=True)
class NotSuppressed:
    """Represent an address that gets mail."""

    phase: Literal["not_suppressed"] = "not_suppressed"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Represent an address that gets no mail."""

    reason: Reason
    phase: Literal["suppressed"] = "suppressed"


Suppression = NotSuppressed | Suppressed

# Evolve


def evolve(_suppression: Suppression, event: SuppressionEvent) -> Suppression:
    match event:
        case AddressSuppressed():
            return Suppressed(event.reason)
        case _:
            assert_never(event)


# Decide


def decide(
    suppression: Suppression, command: SuppressionCommand, context: DecisionContext
) -> list[SuppressionEvent]:
    match command:
        case SuppressAddress():
            return _suppress(suppression, command, context)
        case _:
            assert_never(command)


def _suppress(
    suppression: Suppression, command: SuppressAddress, context: DecisionContext
) -> list[SuppressionEvent]:
    """Record a reason unless one that weighs as much is known: a complaint is never lost."""
    if isinstance(suppression, Suppressed) and (
        _WEIGHTS[suppression.reason] >= _WEIGHTS[command.reason]
    ):
        return []
    return [
        AddressSuppressed(
            address_key=command.address_key, reason=command.reason, suppressed_at=context.at
        )
    ]


SUPPRESSIONS: Final[Decider[Suppression, SuppressionCommand, SuppressionEvent]] = Decider(
    NotSuppressed(), decide, evolve
)
