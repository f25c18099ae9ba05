"""Declare and compose the referrals service."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis.bus.commands import CommandSender
from chassis.bus.reactions import reaction
from chassis.bus.schedule import DueCommands, Schedule
from chassis.decide.streams import Snapshots
from chassis.log.codec import Codec
from chassis.run.service import Application, Handlers, Service
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.invites import RecordSeat
from contracts.referrals import (
    DUE_REFERRALS,
    SERVICE,
    SUBSCRIPTION,
    ReferralCommand,
    ReferralEvent,
    SettleReferrals,
)
from contracts.registry import subscribers
from contracts.streams import MEMBERS
from referrals.account.policies import Policies
from referrals.closing import DayCloser
from referrals.domain import STORED_STATE, State, referrals_decider
from referrals.handlers import commands_for
from referrals.operator import WHAT_IF
from referrals.projections import MODELS
from referrals.seats import CommandHandlerWithReports
from referrals.settings import Settings
from referrals.views.due import DUE_BOARD

Referrals = Application[Settings, State, ReferralCommand, ReferralEvent]

_SETTLE_COMMANDS: Final = uuid.UUID("0d8a3c38-1c3c-5c59-8a0d-9d9b52b7d4f1")


@asynccontextmanager
async def compose(application: Referrals) -> AsyncIterator[Handlers]:
    """Yield the handlers, and the schedule that settles referrals and closes days."""
    sender = CommandSender(application.resources.sending, application.settings.stack)
    yield Handlers(
        on_command=CommandHandlerWithReports(application.handler, sender).handle,
        on_event=reaction(application.handler, commands_for),
        background=(schedule(application).run,),
    )


def schedule(application: Referrals) -> Schedule:
    """Return the schedule: settle due referrals, then close days that have ended."""
    models = ReadModels(application.resources.redis)
    return Schedule(
        jobs=(
            due_commands(application, models).send,
            DayCloser(application.store, application.handler, models).close,
        ),
        tick_seconds=application.settings.tick_seconds,
    )


def due_commands(application: Referrals, models: ReadModels) -> DueCommands:
    """Return the job that lets members' streams settle what is due, at most once a minute each."""
    return DueCommands(
        due=Boards(models, DUE_REFERRALS),
        board=DUE_BOARD,
        sender=CommandSender(application.resources.sending, application.settings.stack),
        command=lambda stream: SettleReferrals(member_id=MEMBERS.key(stream)),
        namespace=_SETTLE_COMMANDS,
        repeat_seconds=60,
        actor=SERVICE,
        limit=200,
    )


REFERRALS: Final = Service(
    name=SERVICE,
    settings=Settings,
    commands=ReferralCommand,
    decider=lambda settings: referrals_decider(Policies(ids=settings.referral_ids)),
    codec=Codec[ReferralEvent](ReferralEvent),
    read_models=MODELS,
    snapshots=Snapshots(STORED_STATE, schema=2),
    subscription=SUBSCRIPTION,
    sends=(SettleReferrals, RecordSeat),
    subscribers=subscribers,
    compose=compose,
    operator_commands=(WHAT_IF,),
)
