"""Define the messages of one example: Alice refers Bob."""

from dataclasses import replace

from chassis.decide.decider import DecisionContext
from contracts import referral_code
from contracts.referral_ids import ReferralIds
from contracts.referrals import (
    AccountOpened,
    Assessment,
    CodeIssued,
    ConfirmReferral,
    OpenAccount,
    ReferralConfirmed,
    ReferralHeld,
    ReferralReserved,
    ReserveReferral,
    ScoreComponent,
)
from referrals.account.policies import Policies
from referrals.domain import referrals_decider
from tests.support.scenario import NOON

ALICE = "b7f5c0de-0000-4000-8000-00000000a11c"
BOB = "b7f5c0de-0000-4000-8000-0000000000b0"
CODE = referral_code.from_entropy(NOON.entropy)
BOBS_ADDRESS = "bob@example.com"
KEY = "a-key-of-tests-that-is-long-enough"
IDS = ReferralIds.from_secrets(KEY)
DECIDER = referrals_decider(Policies(ids=IDS))
USE = IDS.use_id(ALICE, BOBS_ADDRESS)
ADMIN = "root"
MINUTE, HOUR, DAY = 60, 3_600, 86_400

OPEN = OpenAccount(member_id=ALICE, email="Alice@Example.com")
OPENED = AccountOpened(
    member_id=ALICE, email="alice@example.com", total_referrals=10, opened_at=NOON.at
)
ISSUED = CodeIssued(member_id=ALICE, code=CODE, issued_at=NOON.at)
RESERVE = ReserveReferral(member_id=ALICE, code=CODE, invited_user=BOBS_ADDRESS)
RESERVE_KNOWN = RESERVE.model_copy(update={"verified": True})
"""By a caller who is known to have the address."""
RESERVED = ReferralReserved(
    member_id=ALICE,
    use_id=USE,
    code=CODE,
    invited_user=BOBS_ADDRESS,
    reserved_at=NOON.at,
    expires_at=NOON.at + 30 * MINUTE,
)
CONFIRM = ConfirmReferral(member_id=ALICE, use_id=USE, invited_id=BOB)
NOTHING_FOUND = Assessment(rules_version=1, score=0, band="confirm")
CONFIRMED = ReferralConfirmed(
    member_id=ALICE,
    use_id=USE,
    invited_id=BOB,
    address_digest=IDS.address_digest(BOBS_ADDRESS),
    assessment=NOTHING_FOUND,
    confirmed_at=NOON.at,
)
RING_FOUND = Assessment(
    rules_version=1,
    score=60,
    band="hold",
    components=(
        ScoreComponent(
            name="ring", points=60, detail="the referrer was referred by the invited person"
        ),
    ),
)
HELD = ReferralHeld(
    member_id=ALICE, use_id=USE, invited_id=BOB, assessment=RING_FOUND, held_at=NOON.at
)


def later(seconds: int, *, taken: tuple[str, ...] = ()) -> DecisionContext:
    return replace(NOON, at_ms=NOON.at_ms + seconds * 1000, taken=frozenset(taken))
