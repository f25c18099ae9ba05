"""Give a demo person an invitation that was never answered and that has expired since."""

import uuid
from dataclasses import replace
from typing import Final

from chassis.decide.decider import Decider, DecisionContext
from chassis.run.assembly import assemble
from chassis.run.resources import open_resources
from contracts.invites import (
    InviteCommand,
    InviteEvent,
    RecordSent,
    RegisterInviter,
    RequestInvite,
    StartSending,
    TendInvite,
)
from contracts.messages import Metadata
from contracts.tokens import token_digest
from deploy.local.past import Clock
from invites.app import INVITES
from invites.domain import StreamState
from invites.settings import Settings
from invites.tokens import Tokens

ADDRESS: Final = "oleg@work.example"
_NAMES: Final = uuid.UUID("0b7c2f0e-6b55-5d0c-8f3a-0d8d1b6c9b57")
"""Namespace of the ids of invitations and commands: seeding again repeats nothing."""
_SENT: Final = 20.0
"""Days ago on which the invitation was sent."""
_EXPIRED: Final = 5.9
"""Days ago on which the schedule found it expired, which it was after fourteen days."""


async def seed_expired(inviter_id: str, inviter_email: str) -> None:
    """Execute the commands of the invites service at past times.

    Its running instances hear of the request as well, and send no mail: it was sent with it.
    """
    settings, clock = Settings(), Clock()
    tokens = settings.tokens
    async with open_resources(settings) as resources, resources.broker as broker:
        await broker.connect()
        invites = assemble(INVITES, settings, replace(resources, now=clock.context))
        repository = invites.handler.repository
        decider = with_mail(repository.decider, tokens)
        handler = replace(invites.handler, repository=replace(repository, decider=decider))
        for days_ago, command in commands(tokens, inviter_id, inviter_email):
            clock.days_ago = days_ago
            number = str(uuid.uuid5(_NAMES, command.type))
            metadata = Metadata(command_id=number, correlation_id=number)
            await handler.execute(command, metadata)


def with_mail(
    decider: Decider[StreamState, InviteCommand, InviteEvent], tokens: Tokens
) -> Decider[StreamState, InviteCommand, InviteEvent]:
    """Return a decider that sends the mail of an invitation in the commit that requests it.

    Between two commits, the running service would find that the invitation of the past has expired.
    """

    def decide(
        state: StreamState, command: InviteCommand, context: DecisionContext
    ) -> list[InviteEvent]:
        events = decider.decide(state, command, context)
        if isinstance(command, RequestInvite):
            for step in _mail(tokens, command.invite_id):
                events += decider.decide(decider.fold(events, state), step, context)
        return events

    return replace(decider, decide=decide)


def _mail(tokens: Tokens, invite_id: str) -> tuple[StartSending, RecordSent]:
    """Return the commands that send the mail of an invitation."""
    start = StartSending(
        invite_id=invite_id,
        mail=1,
        token_hash=token_digest(tokens.invite(invite_id, 1)),
        unsubscribe_hash=token_digest(tokens.unsubscribe(invite_id)),
    )
    return start, RecordSent(invite_id=invite_id, mail=1, message_id=f"seeded-{invite_id}")


def commands(
    tokens: Tokens, inviter_id: str, inviter_email: str
) -> list[tuple[float, InviteCommand]]:
    """Return the commands, and how many days ago each came."""
    invite_id = str(uuid.uuid5(_NAMES, ADDRESS))
    request = RequestInvite(
        invite_id=invite_id,
        inviter_id=inviter_id,
        inviter_email=inviter_email,
        email=ADDRESS,
        address_key=tokens.address_key(ADDRESS),
        name="Alice",
    )
    return [
        (_SENT, RegisterInviter(member_id=inviter_id, email=inviter_email)),
        (_SENT, request),
        (_EXPIRED, TendInvite(invite_id=invite_id)),
    ]
