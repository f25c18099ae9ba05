"""Changes that fall due together are decided one after the other."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.decide.decider import DecisionContext, Rejected
from chassis.log.codec import Codec
from chassis.log.event_store import MAX_COMMIT_BYTES
from chassis.log.slices import SLICE
from contracts.referrals import (
    AccountOpened,
    ApproveReferral,
    CodeIssued,
    ConfirmReferral,
    GrantQuota,
    MemberCommand,
    QuotaGranted,
    RedeemReferral,
    ReferralConfirmed,
    ReferralEvent,
    ReferralExpired,
    ReferralRejected,
    ReferralReserved,
    ReserveReferral,
    ReverseReferral,
    SettleReferrals,
)
from contracts.streams import MEMBERS
from referrals.account.settlement import MAX_EXPIRATIONS_PER_COMMIT
from referrals.account.state import Member
from tests.referrals.examples import (
    ADMIN,
    ALICE,
    BOB,
    CODE,
    DAY,
    DECIDER,
    IDS,
    ISSUED,
    MINUTE,
    OPENED,
    later,
)
from tests.support.scenario import NOON

THREE_DAYS = 3 * DAY
WHY = {"by": ADMIN, "reason": "a test"}
SETTLE = SettleReferrals(member_id=ALICE)


def redeem(address: str, invited_id: str, referrer: str = ALICE) -> RedeemReferral:
    """Redeem with a disposable address, which delays the confirmation by three days."""
    return RedeemReferral(
        member_id=referrer,
        code=CODE if referrer == ALICE else "0" * 10,
        invited_user=f"{address}@mailinator.com",
        invited_id=invited_id,
    )


def decide(
    history: Sequence[ReferralEvent],
    command: MemberCommand | ReserveReferral,
    context: DecisionContext,
) -> list[ReferralEvent]:
    return DECIDER.decide(DECIDER.fold(history), command, context)  # type: ignore[arg-type]


def after(*commands: RedeemReferral) -> list[ReferralEvent]:
    """Return Alice's stream after these commands."""
    history: list[ReferralEvent] = [OPENED, ISSUED]
    for command in commands:
        history += decide(history, command, NOON)
    return history


def verdicts(events: Sequence[ReferralEvent]) -> list[str]:
    return [event.type for event in events]


def test_of_delayed_referrals_of_one_person_only_one_is_confirmed() -> None:
    history = after(*(redeem(f"bob.{n}x", BOB) for n in "abcd"))
    events = decide(history, SETTLE, later(THREE_DAYS))
    assert verdicts(events) == ["ReferralConfirmed", *["ReferralRejected"] * 3]
    rejected = events[1]
    assert isinstance(rejected, ReferralRejected)
    assert rejected.reason == "already referred by another member"


def test_every_command_can_be_decided_when_delays_of_one_person_end_together() -> None:
    history = after(redeem("bob.a", BOB), redeem("bob.b", BOB))
    second = IDS.use_id(ALICE, "bob.b@mailinator.com")
    commands = (
        ReserveReferral(member_id=ALICE, code=CODE, invited_user="carol@example.com"),
        redeem("bob.c", BOB),
        GrantQuota(member_id=ALICE, total_referrals=20, **WHY),
        ConfirmReferral(member_id=ALICE, use_id=second, invited_id=BOB),
    )
    for command in commands:
        events = decide(history, command, later(THREE_DAYS))
        claims = [claim for event in events for claim in DECIDER.claims(event)]
        assert len(claims) == len(set(claims)) == 2


def test_a_delay_ends_in_a_rejection_if_an_earlier_commit_confirmed_the_person() -> None:
    history = after(redeem("bob.a", BOB), redeem("bob.b", BOB))
    first = IDS.use_id(ALICE, "bob.a@mailinator.com")
    history += decide(history, ApproveReferral(member_id=ALICE, use_id=first, **WHY), later(MINUTE))
    assert verdicts(decide(history, SETTLE, later(THREE_DAYS))) == ["ReferralRejected"]


def test_a_delay_ends_in_a_rejection_although_the_first_confirmation_was_reversed() -> None:
    history = after(redeem("bob.a", BOB), redeem("bob.b", BOB))
    first = IDS.use_id(ALICE, "bob.a@mailinator.com")
    for command in (
        ApproveReferral(member_id=ALICE, use_id=first, **WHY),
        ReverseReferral(member_id=ALICE, use_id=first, **WHY),
    ):
        history += decide(history, command, later(MINUTE))
    assert verdicts(decide(history, SETTLE, later(THREE_DAYS))) == ["ReferralRejected"]


def test_a_commit_that_expires_two_thousand_reservations_fits_into_the_log() -> None:
    longest = "m" * 100
    history: list[ReferralEvent] = [
        OPENED.model_copy(update={"member_id": longest, "total_referrals": 2_000}),
        CodeIssued(member_id=longest, code=CODE, issued_at=NOON.at),
        *(reserved(longest, number) for number in range(2_000)),
    ]
    codec = Codec[ReferralEvent](ReferralEvent)
    settle = SettleReferrals(member_id=longest)
    for _ in range(2_000 // MAX_EXPIRATIONS_PER_COMMIT):
        events = decide(history, settle, later(DAY))
        assert len(events) == MAX_EXPIRATIONS_PER_COMMIT
        assert len(codec.encode(events)) < MAX_COMMIT_BYTES / 2
        history += events
    assert decide(history, settle, later(DAY)) == []


def test_a_commit_of_expirations_is_no_more_work_than_half_a_slice() -> None:
    """Each expiration copies up to two thousand open referrals: 500 took a tenth of a second."""
    assert MAX_EXPIRATIONS_PER_COMMIT <= SLICE // 2


def test_a_command_about_an_overdue_reservation_finds_it_expired_among_many() -> None:
    grant = QuotaGranted(
        member_id=ALICE, total_referrals=2_000, by=ADMIN, reason="a test", granted_at=NOON.at
    )
    last = reserved(ALICE, MAX_EXPIRATIONS_PER_COMMIT)
    history: list[ReferralEvent] = [
        OPENED,
        ISSUED,
        grant,
        *(reserved(ALICE, number) for number in range(MAX_EXPIRATIONS_PER_COMMIT)),
        last,
    ]
    again = ReserveReferral(member_id=ALICE, code=CODE, invited_user=last.invited_user)
    events = decide(history, again, later(DAY))
    assert isinstance(events[0], ReferralExpired)
    assert events[0].use_id == last.use_id
    assert isinstance(events[-1], ReferralReserved)


def reserved(member_id: str, number: int) -> ReferralReserved:
    address = f"p{number}@example.com"
    return ReferralReserved(
        member_id=member_id,
        use_id=IDS.use_id(member_id, address),
        code=CODE,
        invited_user=address,
        reserved_at=NOON.at,
        expires_at=NOON.at + 30 * MINUTE,
    )


REFERRERS = (ALICE, "carol")
steps = st.lists(
    st.tuples(
        st.sampled_from(["redeem", "settle", "approve", "reverse"]),
        st.sampled_from(REFERRERS),
        st.sampled_from(["bob.a", "bob.b", "bob.c", "dora.a", "dora.b"]),
        st.sampled_from([0, MINUTE, THREE_DAYS]),
    ),
    max_size=14,
)


@settings(max_examples=200)
@given(steps)
def test_no_commit_claims_a_name_twice_and_every_stream_can_be_settled(
    plan: list[tuple[str, str, str, int]],
) -> None:
    """Two people with several addresses each are referred by two members, in any order."""
    log = Log()
    at = 0
    for action, referrer, address, seconds in plan:
        at += seconds
        person = address.partition(".")[0]
        use = IDS.use_id(referrer, f"{address}@mailinator.com")
        commands: dict[str, MemberCommand] = {
            "redeem": redeem(address, person, referrer),
            "settle": SettleReferrals(member_id=referrer),
            "approve": ApproveReferral(member_id=referrer, use_id=use, **WHY),
            "reverse": ReverseReferral(member_id=referrer, use_id=use, **WHY),
        }
        log.execute(commands[action], at)
    for referrer in REFERRERS * 2:  # one commit ends four delays
        log.execute(SettleReferrals(member_id=referrer), at + THREE_DAYS)
    for referrer in REFERRERS:
        account = DECIDER.fold(log.streams[referrer])
        assert isinstance(account, Member)
        assert not account.referrals.open
    confirmed = [
        event.invited_id
        for stream in log.streams.values()
        for event in stream
        if isinstance(event, ReferralConfirmed)
    ]
    assert len(confirmed) == len(set(confirmed))


class Log:
    """Store two streams and their claims as the repository and the store do."""

    def __init__(self) -> None:
        self.claims: dict[str, str] = {}
        self.streams: dict[str, list[ReferralEvent]] = {
            name: [
                AccountOpened(
                    member_id=name,
                    email=f"{name}@x.example",
                    total_referrals=10,
                    opened_at=NOON.at,
                ),
                CodeIssued(
                    member_id=name, code=CODE if name == ALICE else "0" * 10, issued_at=NOON.at
                ),
            ]
            for name in REFERRERS
        }

    def execute(self, command: MemberCommand, at: int) -> None:
        taken: dict[str, str] = {}
        name = command.member_id
        for _ in range(10):
            context = replace(later(at), taken=frozenset(taken), holders=taken)
            try:
                events = decide(self.streams[name], command, context)
            except Rejected:
                assert not isinstance(command, SettleReferrals)
                return
            claims = [claim for event in events for claim in DECIDER.claims(event)]
            assert len(claims) == len(set(claims))
            required = DECIDER.requires_unclaimed(DECIDER.fold(self.streams[name]), events, context)
            lost = [
                claim
                for claim in dict.fromkeys((*claims, *required))
                if self.claims.get(claim, name) != name
            ]
            if not lost:
                self.claims |= dict.fromkeys(claims, name)
                self.streams[name] += events
                return
            assert lost[0] not in taken
            taken[lost[0]] = MEMBERS.stream(self.claims[lost[0]])  # the store reports one at a time
        raise AssertionError("the stream does not accept the command")
