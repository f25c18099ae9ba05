"""Composition root of the referrals service."""

from chassis.bus.commands import CommandSender
from chassis.log.codec import Codec
from chassis.run.service import Application, Definition, Resources, assemble
from chassis.run.settings import ServiceSettings
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.referrals import (
    DUE_REFERRALS,
    AccountOpened,
    CodeBrought,
    ReferralCommand,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReversed,
)
from referrals.clock import Clock
from referrals.closing import DayCloser
from referrals.domain import DECIDER, State
from referrals.handlers import listen
from referrals.projections import MODELS
from referrals.settings import Settings

REFERRALS = Definition[State, ReferralCommand, ReferralEvent](
    name="referrals",
    decider=DECIDER,
    codec=Codec(ReferralEvent),
    models=MODELS,
    announces={
        AccountOpened: ("invites",),
        # to itself: what one member's stream means for another's
        CodeBrought: ("referrals",),
        ReferralConfirmed: ("referrals",),
        ReferralReversed: ("referrals",),
    },
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[State, ReferralCommand, ReferralEvent]:
    assembled = assemble(REFERRALS, settings, resources)
    listen(assembled)
    if isinstance(settings, Settings):
        assembled.background.append(clock(assembled, settings.tick_seconds).run)
    return assembled


def clock(
    assembled: Application[State, ReferralCommand, ReferralEvent], tick_seconds: float
) -> Clock:
    models = ReadModels(assembled.resources.redis)
    return Clock(
        due=Boards(models, DUE_REFERRALS),
        sender=CommandSender(assembled.resources.broker, assembled.settings.stack),
        closer=DayCloser(assembled.store, assembled.handler, models),
        tick_seconds=tick_seconds,
    )
