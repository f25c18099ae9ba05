"""Composition root of the invites service."""

from chassis.codec import Codec
from chassis.service import Application, Definition, Resources, assemble
from chassis.settings import ServiceSettings
from contracts.invites import InviteCommand, InviteEvent
from invites.domain import INVITES as DECIDER
from invites.handlers import listen
from invites.projections import MODELS
from invites.state import Stream

INVITES = Definition[Stream, InviteCommand, InviteEvent](
    name="invites",
    decider=DECIDER,
    codec=Codec(InviteEvent),
    models=MODELS,
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[Stream, InviteCommand, InviteEvent]:
    assembled = assemble(INVITES, settings, resources)
    listen(assembled)
    return assembled
