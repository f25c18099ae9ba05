"""Rings of members who refer each other, in any order and at the same moment."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decide.decider import DecisionContext, Rejected
from chassis.decide.repository import Repository
from chassis.log.codec import Codec
from chassis.log.memory import MemoryEventStore
from contracts.messages import Metadata
from contracts.referrals import (
    ApproveReferral,
    CreditReferred,
    OpenAccount,
    OpenCampaign,
    RedeemReferral,
    ReferralCommand,
    ReferralConfirmed,
    ReferralEvent,
    ReferralHeld,
    ReferralRejected,
    ReferralReserved,
    SettleReferrals,
)
from contracts.streams import MEMBERS
from referrals.account.rings import LONGEST_RING
from tests.referrals.examples import DAY, DECIDER, IDS
from tests.support.scenario import NOON

PEOPLE = "abcd"
CAMPAIGN = "team:x"


class World:
    """Run commands on the streams of members, through the real repository."""

    def __init__(self) -> None:
        self.at = NOON.at
        self.store = MemoryEventStore(Codec[ReferralEvent](ReferralEvent))
        self.repository: Repository[Any, Any, ReferralEvent] = Repository(
            self.store, DECIDER, now=self.context
        )
        self.credited: set[str] = set()
        self.rejections: set[str] = set()

    def context(self) -> DecisionContext:
        return DecisionContext(self.at * 1000, uuid4().bytes * 2)

    async def open(self) -> None:
        why = {"by": "root", "reason": "a test"}
        await self.do(OpenCampaign(member_id=CAMPAIGN, total_referrals=10, **why))
        for person in PEOPLE:
            await self.do(OpenAccount(member_id=person, email=f"{person}@example.com"))

    async def do(self, command: ReferralCommand) -> None:
        metadata = Metadata(command_id=str(uuid4()), correlation_id="test")
        try:
            await self.repository.execute(command, metadata)
        except Rejected as error:
            self.rejections.add(error.code)

    async def redeem(self, referrer: str, invited: str, *, delayed: bool = False) -> None:
        events = await self.events(referrer)
        domain = "mailinator.com" if delayed else "example.com"
        await self.do(
            RedeemReferral(
                member_id=referrer,
                code=next(event.code for event in events if event.type == "CodeIssued"),
                invited_user=f"{invited}@{domain}",
                invited_id=invited,
            )
        )

    async def events(self, person: str) -> tuple[ReferralEvent, ...]:
        return tuple((await self.store.load(MEMBERS.stream(person))).events)

    async def confirmed(self) -> dict[str, str]:
        """Return invited person -> referrer of the confirmed referrals."""
        found: dict[str, str] = {}
        for referrer in (*PEOPLE, CAMPAIGN):
            for event in await self.events(referrer):
                if isinstance(event, ReferralConfirmed):
                    assert event.invited_id not in found
                    found[event.invited_id] = referrer
        return found

    async def credit(self) -> None:
        """Deliver what confirmations cause, which can be late."""
        for invited, referrer in (await self.confirmed()).items():
            if invited not in self.credited:
                self.credited.add(invited)
                await self.do(CreditReferred(member_id=invited, referrer_id=referrer, use_id="u"))

    async def settle(self) -> None:
        self.at += 4 * DAY
        await asyncio.gather(*(self.do(SettleReferrals(member_id=each)) for each in PEOPLE))


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


def rings(referrers: dict[str, str]) -> list[list[str]]:
    found = []
    for person in referrers:
        chain = [person]
        while (above := referrers.get(chain[-1])) is not None and above not in chain:
            chain.append(above)
        if above == person:
            found.append(chain)
    return found


pairs = st.tuples(
    st.sampled_from((*PEOPLE, CAMPAIGN)), st.sampled_from(PEOPLE), st.booleans()
).filter(lambda pair: pair[0] != pair[1])
plans = st.lists(
    st.tuples(st.lists(pairs, min_size=1, max_size=5), st.booleans(), st.booleans()), max_size=4
)


@settings(max_examples=150)
@given(plans)
def test_no_interleaving_confirms_a_ring(
    plan: list[tuple[list[tuple[str, str, bool]], bool, bool]],
) -> None:
    async def scene() -> None:
        world = World()
        await world.open()
        for together, credits_arrive, time_passes in plan:
            await asyncio.gather(
                *(world.redeem(one, other, delayed=delayed) for one, other, delayed in together)
            )
            if credits_arrive:
                await world.credit()
            if time_passes:
                await world.settle()
        await world.settle()
        assert not rings(await world.confirmed())
        assert "taken" not in world.rejections  # the domain decides again by itself

    run(scene())


def together(*people: str, delayed: bool = False) -> None:
    """Let each person refer the next one at the same moment, and the last one the first."""

    async def scene() -> None:
        world = World()
        await world.open()
        steps = zip(people, (*people[1:], people[0]), strict=True)
        await asyncio.gather(*(world.redeem(*pair, delayed=delayed) for pair in steps))
        if delayed:
            await world.settle()
        verdicts = [
            event
            for person in people
            for event in await world.events(person)
            if isinstance(event, ReferralConfirmed | ReferralHeld)
        ]
        held = [event for event in verdicts if isinstance(event, ReferralHeld)]
        assert len(verdicts) == len(people)
        assert len(held) == 1
        assert "ring" in [component.name for component in held[0].assessment.components]
        await world.credit()
        await world.settle()
        assert not rings(await world.confirmed())

    run(scene())


def test_of_two_people_who_confirm_each_other_at_the_same_moment_one_is_held() -> None:
    together("a", "b")
    together("a", "b", delayed=True)


def test_of_rings_up_to_the_longest_one_referral_is_held() -> None:
    for length in range(3, LONGEST_RING + 1):
        together(*PEOPLE[:length])
        together(*PEOPLE[:length], delayed=True)


def test_a_ring_of_three_is_held_in_every_order_with_and_without_credits() -> None:
    async def scene(order: tuple[tuple[str, str], ...], arrives: tuple[bool, ...]) -> None:
        world = World()
        await world.open()
        for (referrer, invited), credited in zip(order, arrives, strict=True):
            await world.redeem(referrer, invited)
            if credited:
                await world.credit()
        (*first, last) = order
        assert len(await world.confirmed()) == len(first)
        (event,) = [each for each in await world.events(last[0]) if isinstance(each, ReferralHeld)]
        (ring,) = event.assessment.components
        assert (ring.name, ring.detail) == (
            "ring",
            "3 members would have referred each other in a ring",
        )

    for order in itertools.permutations((("a", "b"), ("b", "c"), ("c", "a"))):
        for arrives in itertools.product((True, False), repeat=3):
            run(scene(order, arrives))


def test_a_chain_and_a_campaign_make_no_ring() -> None:
    async def scene() -> None:
        world = World()
        await world.open()
        await world.redeem(CAMPAIGN, "a")
        for referrer, invited in itertools.pairwise(PEOPLE):
            await world.redeem(referrer, invited)
        assert len(await world.confirmed()) == len(PEOPLE)

    run(scene())


def test_an_administrator_can_approve_a_ring() -> None:
    async def scene() -> None:
        world = World()
        await world.open()
        await world.redeem("a", "b")
        await world.redeem("b", "a")
        use_id = IDS.use_id("b", "a@example.com")
        why = {"by": "root", "reason": "they are friends"}
        await world.do(ApproveReferral(member_id="b", use_id=use_id, **why))
        assert len(await world.confirmed()) == 2

    run(scene())


def test_a_delayed_referral_of_a_person_whom_another_member_referred_is_rejected() -> None:
    async def scene() -> None:
        world = World()
        await world.open()
        await world.redeem("a", "c", delayed=True)
        await world.redeem("b", "c")
        await world.settle()
        reserved, delayed, rejected = (await world.events("a"))[-3:]
        assert isinstance(reserved, ReferralReserved)
        assert delayed.type == "ReferralDelayed"
        assert isinstance(rejected, ReferralRejected)

    run(scene())
