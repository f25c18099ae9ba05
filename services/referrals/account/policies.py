"""Hold the rules and keys that decisions on accounts follow."""

from dataclasses import dataclass

from contracts.referral_ids import ReferralIds
from referrals.account.codes import Moderation, moderate_name
from referrals.guards import RULES, GuardRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """Hold what decisions on accounts follow besides the state and the command."""

    ids: ReferralIds
    guards: GuardRules = RULES
    moderate: Moderation = moderate_name
