"""Ids that stand for an address: what they reveal, and how those of earlier keys stay valid."""

import hashlib

from contracts import addresses
from contracts.referral_ids import ReferralIds
from contracts.referrals import RedeemReferral, ReferralConfirmed, ReferralReserved
from referrals.account.claims import address_claim
from referrals.account.policies import Policies
from referrals.domain import referrals_decider
from tests.referrals.examples import (
    ALICE,
    BOB,
    BOBS_ADDRESS,
    CODE,
    CONFIRM,
    DECIDER,
    IDS,
    ISSUED,
    OPENED,
    RESERVE_KNOWN,
    RESERVED,
    later,
)
from tests.referrals.service import referrals_service
from tests.support.scenario import NOON, Scenario

UNKEYED_USE = hashlib.sha256(f"{ALICE}\n{BOBS_ADDRESS}".encode()).hexdigest()[:32]
UNKEYED_CLAIM = address_claim(addresses.digest(BOBS_ADDRESS))
account = Scenario(DECIDER)


def test_spellings_of_an_address_have_one_id_and_one_digest() -> None:
    spellings = ("bob@gmail.com", "B.O.B+news@googlemail.com")
    assert len({IDS.use_id(ALICE, each) for each in spellings}) == 1
    assert len({IDS.address_digest(each) for each in spellings}) == 1
    assert IDS.use_id(BOB, spellings[0]) != IDS.use_id(ALICE, spellings[0])


def test_ids_depend_on_the_key() -> None:
    other = ReferralIds.from_secrets("another key")
    assert other.use_id(ALICE, BOBS_ADDRESS) != IDS.use_id(ALICE, BOBS_ADDRESS)
    assert other.address_digest(BOBS_ADDRESS) != IDS.address_digest(BOBS_ADDRESS)
    assert IDS.address_digest(BOBS_ADDRESS) != IDS.use_id("address", BOBS_ADDRESS)


def test_keys_are_not_shown() -> None:
    assert "secret" not in repr(ReferralIds.from_secrets("a secret", "another secret"))


def test_earlier_keys_are_tried_newest_first_and_unkeyed_ids_last() -> None:
    rotated = ReferralIds.from_secrets("newest", "older, oldest,")
    alone = [ReferralIds.from_secrets(key) for key in ("newest", "older", "oldest")]
    keyed = [each.use_id(ALICE, BOBS_ADDRESS) for each in alone]
    assert rotated.use_ids(ALICE, BOBS_ADDRESS) == (*keyed, UNKEYED_USE)
    digests = [each.address_digest(BOBS_ADDRESS) for each in alone]
    earlier = (*digests[1:], addresses.digest(BOBS_ADDRESS))
    assert rotated.address_digest(BOBS_ADDRESS) == digests[0]
    assert rotated.earlier_address_digests(BOBS_ADDRESS) == earlier


def test_a_use_without_a_key_keeps_its_id_and_can_be_confirmed() -> None:
    reserved = RESERVED.model_copy(update={"use_id": UNKEYED_USE})
    given = account.given(OPENED, ISSUED, reserved)
    given.when(RESERVE_KNOWN).then_nothing()
    for known in (BOBS_ADDRESS, None):
        command = CONFIRM.model_copy(update={"use_id": UNKEYED_USE, "invited_user": known})
        (event,) = DECIDER.decide(DECIDER.fold(given.history), command, NOON)
        assert isinstance(event, ReferralConfirmed)
        assert event.use_id == UNKEYED_USE
        assert event.address_digest == IDS.address_digest(BOBS_ADDRESS)


def test_a_use_of_an_earlier_key_keeps_its_id() -> None:
    rotated = Scenario(referrals_decider(Policies(ids=ReferralIds.from_secrets("new", KEY_BEFORE))))
    before = ReferralIds.from_secrets(KEY_BEFORE).use_id(ALICE, BOBS_ADDRESS)
    reserved = RESERVED.model_copy(update={"use_id": before})
    given = rotated.given(OPENED, ISSUED, reserved)
    given.when(RESERVE_KNOWN).then_nothing()
    redeem = RedeemReferral(member_id=ALICE, code=CODE, invited_user=BOBS_ADDRESS, invited_id=BOB)
    (event,) = rotated.decider.decide(rotated.decider.fold(given.history), redeem, NOON)
    assert isinstance(event, ReferralConfirmed)
    assert event.use_id == before


KEY_BEFORE = "the key before"


def test_a_confirmation_requires_that_no_earlier_digest_was_claimed() -> None:
    state = DECIDER.fold([OPENED, ISSUED, RESERVED])
    events = DECIDER.decide(state, CONFIRM, NOON)
    assert UNKEYED_CLAIM in DECIDER.requires_unclaimed(state, events, NOON)
    taken = later(0, taken=(UNKEYED_CLAIM,))
    (rejected,) = DECIDER.decide(state, CONFIRM, taken)
    assert rejected.type == "ReferralRejected"
    assert UNKEYED_CLAIM not in DECIDER.claims(events[0])


async def test_an_address_that_was_claimed_without_a_key_is_not_referred_again(
    redis: object,
) -> None:
    async with referrals_service(redis) as service:
        code = await service.open("alice")
        service.store.claims[address_claim(addresses.digest("bob@example.org"))] = "member-carol"
        await service.refer("alice", code, "bob")
        events = (await service.store.load("member-alice")).events
        assert isinstance(events[-2], ReferralReserved)
        assert events[-1].type == "ReferralRejected"
        await service.refer("alice", code, "dora")
        assert (await service.store.load("member-alice")).events[-1].type == "ReferralConfirmed"
