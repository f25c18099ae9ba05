"""Composition root of the referrals service."""

from chassis.codec import Codec
from chassis.service import Application, Definition, Resources, assemble
from chassis.settings import ServiceSettings
from contracts.referrals import AccountOpened, ReferralCommand, ReferralEvent
from referrals.domain import MEMBERS, Member
from referrals.handlers import listen
from referrals.projections import CODES, MEMBER_ENTRIES

REFERRALS = Definition[Member, ReferralCommand, ReferralEvent](
    name="referrals",
    decider=MEMBERS,
    codec=Codec(ReferralEvent),
    models=(MEMBER_ENTRIES, CODES),
    announces={AccountOpened: ("invites",)},
)


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[Member, ReferralCommand, ReferralEvent]:
    assembled = assemble(REFERRALS, settings, resources)
    listen(assembled)
    return assembled
