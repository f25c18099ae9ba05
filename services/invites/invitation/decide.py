"""Decide on the commands to an invitation (pure)."""

from functools import partial
from typing import Final, assert_never

from chassis.decide.decider import Decider, DecisionContext
from contracts.invites import (
    AcceptInvite,
    DeclineInvite,
    GiveUpSending,
    InvitationCommand,
    InvitationEvent,
    PostponeSending,
    RecordFeedback,
    RecordSeat,
    RecordSent,
    RequestInvite,
    ResendInvite,
    RevokeInvite,
    StartSending,
    TendInvite,
    Unsubscribe,
)
from invites.invitation import answers, lifecycle, sending
from invites.invitation.evolve import evolve
from invites.invitation.state import Invitation, NotRequested
from invites.rules import RULES, InviteRules


def decide(
    rules: InviteRules,
    invitation: Invitation,
    command: InvitationCommand,
    context: DecisionContext,
) -> list[InvitationEvent]:
    match command:
        case RequestInvite():
            return lifecycle.request(invitation, command, context, rules)
        case ResendInvite():
            return lifecycle.resend(invitation, command, context, rules)
        case RevokeInvite():
            return lifecycle.revoke(invitation, command, context)
        case TendInvite():
            return lifecycle.process_due(invitation, command, context, rules)
        case AcceptInvite():
            return answers.accept(invitation, command, context, rules)
        case RecordSeat():
            return answers.record_seat(invitation, command, context)
        case DeclineInvite():
            return answers.decline(invitation, command, context)
        case Unsubscribe():
            return answers.unsubscribe(invitation, command, context)
        case StartSending():
            return sending.start(invitation, command, context)
        case RecordSent():
            return sending.record_sent(invitation, command, context)
        case PostponeSending():
            return sending.postpone(invitation, command, context, rules)
        case GiveUpSending():
            return sending.give_up(invitation, command, context)
        case RecordFeedback():
            return sending.record_feedback(invitation, command)
        case _:
            assert_never(command)


def decider(rules: InviteRules = RULES) -> Decider[Invitation, InvitationCommand, InvitationEvent]:
    """Return the aggregate under these rules."""
    return Decider(NotRequested(), partial(decide, rules), evolve)


INVITATIONS: Final = decider()
