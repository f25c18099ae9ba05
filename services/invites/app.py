"""Declare and compose the invites service."""

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiobotocore.config import AioConfig

from chassis.bus.commands import CommandSender
from chassis.bus.schedule import DueCommands, Schedule
from chassis.decide.streams import Snapshots
from chassis.log.codec import Codec
from chassis.run.service import Application, Handlers, Service
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.invites import INVITES as INVITE_BOARDS
from contracts.invites import SERVICE, SUBSCRIPTION, InviteCommand, InviteEvent, TendInvite
from contracts.referrals import ReserveReferral
from contracts.registry import subscribers
from contracts.streams import INVITATIONS
from invites.boards import DUE_BOARD
from invites.domain import INVITES as DECIDER
from invites.domain import STORED_STATE, StreamState
from invites.feedback_handler import FeedbackHandler
from invites.handlers import CommandHandlerWithMail, EventHandler
from invites.mail_metrics import MailMetrics
from invites.mail_provider import SES, MailProvider
from invites.mailer import InvitationMailer
from invites.operator import PREVIEW
from invites.projections import MODELS
from invites.recipient_budget import RecipientBudget
from invites.rules import SENDING_TIMEOUT
from invites.sending_rate import SendingRate
from invites.settings import Settings

Invites = Application[Settings, StreamState, InviteCommand, InviteEvent]

FEEDBACK_QUEUE: Final = "feedback"
"""Receives what SES reports about mails."""
_TEND_COMMANDS: Final = uuid.UUID("5b6f0c52-3c1e-5f0b-9a87-1d0c8e4b7a21")
_SES_CONFIG: Final = AioConfig(
    # one attempt: a call that botocore repeats by itself is a mail that is sent twice
    retries={"mode": "standard", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=20,
    max_pool_connections=32,
)


@asynccontextmanager
async def compose(application: Invites) -> AsyncIterator[Handlers]:
    """Open the SES client, and yield the handlers and the schedule."""
    settings, rate = application.settings, sending_rate(application)
    async with application.resources.aws.create_client("sesv2", config=_SES_CONFIG) as client:
        ses = SES(
            client,
            settings.mail_profile.address,
            settings.mail_configuration_set,
            rate.set_account_rate,
        )
        yield make_handlers(application, ses, rate, background=(ses.watch_quota,))


def make_handlers(
    application: Invites,
    provider: MailProvider,
    rate: SendingRate,
    *,
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
) -> Handlers:
    """Return the handlers that send through `provider`."""
    settings = application.settings
    tokens = settings.tokens
    mailer = InvitationMailer(
        store=application.store,
        handler=application.handler,
        provider=provider,
        rate=rate,
        budget=RecipientBudget(application.resources.redis),
        tokens=tokens,
        profile=settings.mail_profile,
        timeout=settings.mail_patience_seconds,
        clock=lambda: application.resources.now().at_ms / 1000,
    )
    sender = CommandSender(application.resources.sending, settings.stack)
    models = ReadModels(application.resources.redis)
    return Handlers(
        on_command=CommandHandlerWithMail(application.handler, mailer).handle,
        on_event=EventHandler(application.handler, mailer, tokens, sender).handle,
        queues={FEEDBACK_QUEUE: FeedbackHandler(application.handler, models).handle},
        background=(*background, schedule(application).run),
        metrics=(MailMetrics(Boards(models, INVITE_BOARDS)).families,),
    )


def sending_rate(application: Invites) -> SendingRate:
    """Return the rate at which all instances together send mails."""
    settings = application.settings
    return SendingRate(
        application.resources.redis, settings.mail_rate, quota_share=settings.mail_quota_share
    )


def schedule(application: Invites) -> Schedule:
    """Return the schedule that tends the invitations on which something is due."""
    return Schedule(
        jobs=(due_commands(application).send,), tick_seconds=application.settings.tick_seconds
    )


def due_commands(application: Invites) -> DueCommands:
    """Return the job that sends due commands to invitations, at most twice a minute each."""
    settings, resources = application.settings, application.resources
    return DueCommands(
        due=Boards(ReadModels(resources.redis), INVITE_BOARDS),
        board=DUE_BOARD,
        sender=CommandSender(resources.sending, settings.stack),
        command=lambda stream: TendInvite(invite_id=INVITATIONS.key(stream)),
        namespace=_TEND_COMMANDS,
        repeat_seconds=30,
        actor=SERVICE,
        # views assume the default timeout; a shorter one is due earlier than they say
        lookahead_seconds=max(0, SENDING_TIMEOUT - settings.mail_patience_seconds),
    )


INVITES: Final = Service(
    name=SERVICE,
    settings=Settings,
    commands=InviteCommand,
    decider=DECIDER,
    codec=Codec[InviteEvent](InviteEvent),
    read_models=MODELS,
    snapshots=Snapshots(STORED_STATE, schema=2),
    subscription=SUBSCRIPTION,
    sends=(TendInvite, ReserveReferral),
    subscribers=subscribers,
    queues=(FEEDBACK_QUEUE,),
    compose=compose,
    operator_commands=(PREVIEW,),
)
