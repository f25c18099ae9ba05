"""Composition root of the invites service."""

from typing import Any

import aioboto3
from botocore.config import Config

from chassis.bus.commands import CommandSender
from chassis.log.codec import Codec
from chassis.run.service import Application, Definition, Resources, assemble
from chassis.run.settings import ServiceSettings
from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.invites import INVITES as INVITE_BOARD
from contracts.invites import (
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteCommand,
    InviteComplained,
    InviteDeclined,
    InviteEvent,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    ReservationWanted,
    Unsubscribed,
)
from invites.clock import Clock
from invites.domain import INVITES as DECIDER
from invites.domain import StreamState
from invites.handlers import Parts, listen
from invites.mail_provider import SES
from invites.mailer import InvitationMailer
from invites.projections import MODELS
from invites.rules import SENDING_TIMEOUT
from invites.sending_rate import SendingRate
from invites.settings import Settings
from invites.tokens import Tokens

_TO_ITSELF = (
    InviteAdmitted, InviteRequested, InviteResent, InviteReminded, InviteAccepted,
    ReservationWanted, InviteDeclined, InviteRevoked, InviteExpired, InviteBounced,
    InviteComplained, Unsubscribed,
)  # fmt: skip
"""What one stream tells another, what mail waits for, and which seats are wanted elsewhere."""

INVITES = Definition[StreamState, InviteCommand, InviteEvent](
    name="invites",
    decider=DECIDER,
    codec=Codec(InviteEvent),
    models=MODELS,
    announces=dict.fromkeys(_TO_ITSELF, ("invites",)),
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[StreamState, InviteCommand, InviteEvent]:
    assembled = assemble(INVITES, settings, resources)
    if not isinstance(settings, Settings):
        raise TypeError("these are not the settings of this service")
    rate = SendingRate(resources.redis, settings.mail_rate, quota_share=settings.mail_quota_share)
    ses = SES(_client, settings.mail_from, settings.mail_configuration_set, rate.set_account_rate)
    listen(assembled, parts(assembled, settings, ses, rate))
    assembled.background.extend([ses.run, clock(assembled, settings).run])
    return assembled


def parts(
    assembled: Application[StreamState, InviteCommand, InviteEvent],
    settings: Settings,
    ses: SES,
    rate: SendingRate,
) -> Parts:
    tokens = Tokens(settings.invites_key.get_secret_value().encode())
    mailer = InvitationMailer(
        store=assembled.store,
        handler=assembled.handler,
        provider=ses,
        rate=rate,
        tokens=tokens,
        profile=settings.mail_profile,
        timeout=settings.mail_patience_seconds,
    )
    return Parts(
        mailer=mailer,
        tokens=tokens,
        referrals=CommandSender(assembled.resources.broker, settings.stack),
        feedback_queue=f"{settings.stack}-invites-feedback",
    )


def clock(
    assembled: Application[StreamState, InviteCommand, InviteEvent], settings: Settings
) -> Clock:
    return Clock(
        due=Boards(ReadModels(assembled.resources.redis), INVITE_BOARD),
        sender=CommandSender(assembled.resources.broker, settings.stack),
        tick_seconds=settings.tick_seconds,
        ahead=max(0, SENDING_TIMEOUT - settings.mail_patience_seconds),
    )


def _client() -> Any:
    """One attempt: a call that is repeated by itself is a mail that is sent twice."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=20,
        max_pool_connections=32,
    )
    return aioboto3.Session().client("sesv2", config=config)
