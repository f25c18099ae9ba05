"""Composition root of the invites service."""

from chassis.codec import Codec
from chassis.service import Application, Definition, Resources, assemble
from chassis.settings import ServiceSettings
from contracts.invites import InviteCommand, InviteEvent
from invites.domain import INVITERS, Inviter
from invites.handlers import listen
from invites.projections import INVITER_VIEWS

INVITES = Definition[Inviter, InviteCommand, InviteEvent](
    name="invites",
    decider=INVITERS,
    codec=Codec(InviteEvent),
    models=(INVITER_VIEWS,),
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[Inviter, InviteCommand, InviteEvent]:
    assembled = assemble(INVITES, settings, resources)
    listen(assembled)
    return assembled
