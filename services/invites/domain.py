"""Decide on every stream of the service: invitations, inviters and suppressions (pure)."""

from dataclasses import dataclass, replace
from typing import Annotated, Final, assert_never

from pydantic import Field, TypeAdapter

from chassis.decide.decider import Decider, DecisionContext
from contracts.invites import (
    InvitationCommand,
    InvitationEvent,
    InviteCommand,
    InviteEvent,
    InviterCommand,
    InviterEvent,
    SuppressionCommand,
    SuppressionEvent,
)
from invites.invitation.decide import INVITATIONS
from invites.invitation.state import Invitation, NotRequested
from invites.inviter import INVITERS
from invites.inviter_state import Inviter, NotRegistered
from invites.suppression import (
    SUPPRESSIONS,
    NotSuppressed,
    Suppression,
)

__all__ = ["INVITATIONS", "INVITERS", "INVITES", "STORED_STATE", "SUPPRESSIONS", "StreamState"]


@dataclass(frozen=True, slots=True)
class StreamState:
    """Hold the state of one stream: that of its aggregate, and the initial state of the others."""

    invitation: Annotated[Invitation, Field(discriminator="phase")]
    inviter: Annotated[Inviter, Field(discriminator="phase")]
    suppression: Annotated[Suppression, Field(discriminator="phase")]


STORED_STATE: Final[TypeAdapter[StreamState]] = TypeAdapter(StreamState)
"""How the state is stored in a snapshot."""


def evolve(state: StreamState, event: InviteEvent) -> StreamState:
    if isinstance(event, InvitationEvent):
        return replace(state, invitation=INVITATIONS.evolve(state.invitation, event))
    if isinstance(event, InviterEvent):
        return replace(state, inviter=INVITERS.evolve(state.inviter, event))
    if isinstance(event, SuppressionEvent):
        return replace(state, suppression=SUPPRESSIONS.evolve(state.suppression, event))
    assert_never(event)


def decide(
    state: StreamState, command: InviteCommand, context: DecisionContext
) -> list[InviteEvent]:
    if isinstance(command, InvitationCommand):
        return [*INVITATIONS.decide(state.invitation, command, context)]
    if isinstance(command, InviterCommand):
        return [*INVITERS.decide(state.inviter, command, context)]
    if isinstance(command, SuppressionCommand):
        return [*SUPPRESSIONS.decide(state.suppression, command, context)]
    assert_never(command)


INVITES: Final[Decider[StreamState, InviteCommand, InviteEvent]] = Decider(
    StreamState(NotRequested(), NotRegistered(), NotSuppressed()), decide, evolve
)
