"""Whatever is asked in whatever order, seats are counted as a plain model counts them."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.decide.decider import DecisionContext, Rejected
from contracts import addresses
from contracts.referrals import (
    AccountOpened,
    ApproveReferral,
    CodeIssued,
    ConfirmReferral,
    GrantQuota,
    MemberCommand,
    ReferralEvent,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    RevokeCode,
    SettleReferrals,
    use_id,
)
from referrals.domain import MEMBERS, claims
from referrals.points import fold_points, fold_standing
from referrals.projections import fold_codes, fold_due, fold_entry, fold_uses
from tests.support.scenario import NOON

REFERRERS = ("alice", "carol")
CODES = {"alice": "MVA00W4CZS", "carol": "0" * 10}
PEOPLE = ("p0@example.com", "p1@gmail.com", "p2@example.org", "p3@mailinator.com")
SPELLINGS = {"p1@gmail.com": "P.1+x@googlemail.com"}
HALF_HOUR, THREE_DAYS = 1_800, 72 * 3_600
WHY = {"by": "root", "reason": "a test"}

State = Literal["reserved", "delayed", "confirmed", "rejected", "reversed"]


@dataclass
class Seat:
    state: State
    until: int = 0


@dataclass
class Plain:
    """What should happen, in dictionaries. An address and its person are one here."""

    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REFERRERS, 3))
    revoked: set[str] = field(default_factory=set)
    seats: dict[tuple[str, str], Seat] = field(default_factory=dict)
    won: dict[str, str] = field(default_factory=dict)

    def seated(self, referrer: str) -> int:
        return sum(
            seat.state in ("reserved", "delayed", "confirmed")
            for (owner, _), seat in self.seats.items()
            if owner == referrer
        )

    def pass_time(self, referrer: str, at: int) -> None:
        for (owner, person), seat in list(self.seats.items()):
            if owner != referrer or seat.until > at:
                continue
            if seat.state == "reserved":
                del self.seats[owner, person]
            elif seat.state == "delayed":
                self.count(owner, person)

    def at(self, referrer: str, at: int) -> "Plain":
        """A copy after time has had its say; a refused command stores nothing of it."""
        seats = {key: replace(seat) for key, seat in self.seats.items()}
        copy = Plain(dict(self.totals), set(self.revoked), seats, dict(self.won))
        copy.pass_time(referrer, at)
        return copy

    def reserve(self, referrer: str, person: str, at: int) -> bool:
        seat = self.seats.get((referrer, person))
        if seat is not None:
            return seat.state in ("reserved", "delayed", "confirmed")
        if referrer in self.revoked or self.seated(referrer) >= self.totals[referrer]:
            return False
        self.seats[referrer, person] = Seat("reserved", at + HALF_HOUR)
        return True

    def confirm(self, referrer: str, person: str, at: int) -> bool:
        seat = self.seats.get((referrer, person))
        if seat is None or seat.state != "reserved":
            return seat is not None
        if self.won.get(person, referrer) != referrer:
            seat.state = "rejected"
        elif "mailinator" in person:
            seat.state, seat.until = "delayed", at + THREE_DAYS
        else:
            self.count(referrer, person)
        return True

    def count(self, referrer: str, person: str) -> None:
        winner = self.won.setdefault(person, referrer)
        self.seats[referrer, person].state = "confirmed" if winner == referrer else "rejected"

    def change(self, referrer: str, person: str, before: State, after: State | None) -> bool:
        seat = self.seats.get((referrer, person))
        if seat is None or seat.state != before:
            return False
        if after is None:
            del self.seats[referrer, person]
        else:
            seat.state = after
        return True


referrers = st.sampled_from(REFERRERS)
people = st.sampled_from(PEOPLE)


class Seats(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.at = NOON.at
        self.plain = Plain()
        self.taken: dict[str, str] = {}
        self.streams: dict[str, list[ReferralEvent]] = {
            name: [
                AccountOpened(
                    member_id=name, email=f"{name}@x.example", total_referrals=3, opened_at=self.at
                ),
                CodeIssued(member_id=name, code=CODES[name], issued_at=self.at),
            ]
            for name in REFERRERS
        }

    def do(self, command: MemberCommand | ReserveReferral) -> bool:
        """Decide and append as the repository does, with claims that are taken told back."""
        name = str(command.member_id)
        lost: set[str] = set()
        while True:
            moment = DecisionContext(self.at * 1000, NOON.entropy, frozenset(lost))
            try:
                events = MEMBERS.decide(MEMBERS.fold(self.streams[name]), command, moment)  # type: ignore[arg-type]
            except Rejected:
                return False
            wanted = {claim for event in events for claim in claims(event)}
            foreign = {claim for claim in wanted if self.taken.get(claim, name) != name}
            if not foreign:
                break
            assert not foreign <= lost, "the domain does not heed what is taken"
            lost |= foreign
        self.taken |= dict.fromkeys(wanted, name)
        self.streams[name] += events
        return True

    @rule(seconds=st.sampled_from([60, HALF_HOUR, THREE_DAYS]))
    def time_passes(self, seconds: int) -> None:
        self.at += seconds

    @rule(referrer=referrers, person=people, spelt=st.booleans())
    def reserve(self, referrer: str, person: str, *, spelt: bool) -> None:
        address = SPELLINGS.get(person, person) if spelt else person
        wish = ReserveReferral(member_id=referrer, code=CODES[referrer], invited_user=address)
        later = self.plain.at(referrer, self.at)
        done = self.do(wish)
        assert done == later.reserve(referrer, person, self.at)
        self.plain = later if done else self.plain

    @rule(referrer=referrers, person=people)
    def confirm(self, referrer: str, person: str) -> None:
        invited_id = f"sub.{PEOPLE.index(person)}"
        later = self.plain.at(referrer, self.at)
        done = self.do(
            ConfirmReferral(
                member_id=referrer, use_id=self.use(referrer, person), invited_id=invited_id
            )
        )
        assert done == later.confirm(referrer, person, self.at)
        self.plain = later if done else self.plain

    @rule(referrer=referrers, person=people)
    def release(self, referrer: str, person: str) -> None:
        known = self.use(referrer, person) in MEMBERS.fold(self.streams[referrer]).uses
        later = self.plain.at(referrer, self.at)
        done = self.do(ReleaseReferral(member_id=referrer, use_id=self.use(referrer, person)))
        released = later.change(referrer, person, "reserved", None)
        assert done == (released or (known and (referrer, person) not in later.seats))
        self.plain = later if done else self.plain

    @rule(referrer=referrers)
    def settle(self, referrer: str) -> None:
        assert self.do(SettleReferrals(member_id=referrer))
        self.plain.pass_time(referrer, self.at)

    @rule(referrer=referrers, total=st.integers(0, 5))
    def grant(self, referrer: str, total: int) -> None:
        done = self.do(GrantQuota(member_id=referrer, total_referrals=total, **WHY))
        later = self.plain.at(referrer, self.at)
        assert done == (total >= later.seated(referrer))
        if done:
            self.plain = later
            self.plain.totals[referrer] = total

    @rule(referrer=referrers, person=people, approve=st.booleans())
    def review(self, referrer: str, person: str, *, approve: bool) -> None:
        use = self.use(referrer, person)
        verdict = ApproveReferral if approve else RejectReferral
        done = self.do(verdict(member_id=referrer, use_id=use, **WHY))
        later = self.plain.at(referrer, self.at)
        seat = later.seats.get((referrer, person))
        state = None if seat is None else seat.state
        won = later.won.get(person, referrer) == referrer
        waits = state == "delayed" and (won or not approve)
        assert done == (waits or state == ("confirmed" if approve else "rejected"))
        if done:
            self.plain = later
            if waits and approve:
                later.count(referrer, person)
            elif waits:
                later.change(referrer, person, "delayed", "rejected")

    @rule(referrer=referrers, person=people)
    def reverse(self, referrer: str, person: str) -> None:
        use = self.use(referrer, person)
        done = self.do(ReverseReferral(member_id=referrer, use_id=use, **WHY))
        later = self.plain.at(referrer, self.at)
        changed = later.change(referrer, person, "confirmed", "reversed")
        seat = later.seats.get((referrer, person))
        assert done == (changed or (seat is not None and seat.state == "reversed"))
        if done:
            self.plain = later

    @rule(referrer=referrers, sure=st.integers(0, 9))
    def revoke(self, referrer: str, sure: int) -> None:
        if sure == 0:
            assert self.do(RevokeCode(member_id=referrer, code=CODES[referrer]))
            self.plain.revoked.add(referrer)

    def use(self, referrer: str, person: str) -> str:
        return use_id(referrer, CODES[referrer], person)

    @invariant()
    def no_seat_too_many(self) -> None:
        for name, events in self.streams.items():
            member = MEMBERS.fold(events)
            assert 0 <= member.seated <= member.total
            assert member.total == self.plain.totals[name]

    @invariant()
    def seats_are_as_counted(self) -> None:
        """What is due and not settled yet stands as it stood in both."""
        for name, events in self.streams.items():
            uses = MEMBERS.fold(events).uses
            standing = {
                self.use(owner, person): seat.state
                for (owner, person), seat in self.plain.seats.items()
                if owner == name
            }
            gone = ("released", "expired")
            assert standing == {k: use.state for k, use in uses.items() if use.state not in gone}

    @invariant()
    def a_person_is_referred_once(self) -> None:
        confirmed = [
            addresses.folded(use.invited_user)
            for events in self.streams.values()
            for use in MEMBERS.fold(events).uses.values()
            if use.state == "confirmed"
        ]
        assert len(confirmed) == len(set(confirmed))

    @invariant()
    def readers_see_what_the_stream_decided(self) -> None:
        for events in self.streams.values():
            member = MEMBERS.fold(events)
            entry = codes = uses = points = standing = due = None
            for event in events:
                entry, codes = fold_entry(entry, event), fold_codes(codes, event)
                uses, due = fold_uses(uses, event), fold_due(due, event)
                points, standing = fold_points(points, event), fold_standing(standing, event)
            assert entry is not None
            assert codes is not None
            assert points is not None
            assert standing is not None
            confirmed = sum(use.state == "confirmed" for use in member.uses.values())
            assert entry.referrals_remaining == codes.remaining == member.remaining
            assert entry.referrals_used == points.invited == confirmed
            assert entry.referrals_used + entry.referrals_pending == member.seated
            assert points.points == standing.points == 100 * confirmed
            waiting = {k for k, use in member.uses.items() if use.state in ("reserved", "delayed")}
            assert set(due.due if due else ()) == waiting
            seen = {use.use_id: use.state for use in uses.uses} if uses else {}
            assert seen == {k: use.state for k, use in member.uses.items()}


Seats.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSeats = Seats.TestCase
