"""Any commands in any order: seats are counted as a simple model counts them."""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.decide.decider import DecisionContext, Rejected
from chassis.views.projection import ListState
from contracts import addresses
from contracts.messages import View
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
)
from contracts.streams import MEMBERS
from referrals.account.state import Member
from referrals.domain import STORED_STATE
from referrals.projections import (
    fold_codes,
    fold_entry,
    fold_leaderboard,
    fold_ledger,
    of_referrals,
)
from referrals.views import codes, entry, ledger, referral_list
from referrals.views import due as due_view
from tests.referrals.examples import DECIDER, IDS
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
class Model:
    """Predict in dictionaries what should happen. Each person has one address here."""

    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REFERRERS, 3))
    revoked: set[str] = field(default_factory=set)
    seats: dict[tuple[str, str], Seat] = field(default_factory=dict)
    won: dict[str, str] = field(default_factory=dict)

    def seats_taken(self, referrer: str) -> int:
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

    def at(self, referrer: str, at: int) -> "Model":
        """Return a copy at this time; a rejected command discards it."""
        seats = {key: replace(seat) for key, seat in self.seats.items()}
        copy = Model(dict(self.totals), set(self.revoked), seats, dict(self.won))
        copy.pass_time(referrer, at)
        return copy

    def reserve(self, referrer: str, person: str, at: int) -> bool:
        seat = self.seats.get((referrer, person))
        if seat is not None:
            return seat.state in ("reserved", "delayed", "confirmed")
        if referrer in self.revoked or self.seats_taken(referrer) >= self.totals[referrer]:
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


V = TypeVar("V", bound=View)
I = TypeVar("I", bound=View)  # noqa: E741  the item of a list, next to V, the view
referrers = st.sampled_from(REFERRERS)
people = st.sampled_from(PEOPLE)


fold_due = of_referrals(due_view.fold)


class Seats(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.at = NOON.at
        self.model = Model()
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
        """Decide and append as the repository does, which reports claims that are taken."""
        name = str(command.member_id)
        lost: dict[str, str] = {}
        while True:
            context = DecisionContext(self.at * 1000, NOON.entropy, frozenset(lost), lost)
            state = DECIDER.fold(self.streams[name])
            try:
                events = DECIDER.decide(state, command, context)  # type: ignore[arg-type]
            except Rejected:
                return False
            claims = [claim for event in events for claim in DECIDER.claims(event)]
            wanted = set(claims)
            assert len(claims) == len(wanted), "a commit claims a name twice"
            required = DECIDER.requires_unclaimed(state, events, context)
            foreign = {
                claim: MEMBERS.stream(self.taken[claim])
                for claim in wanted | set(required)
                if self.taken.get(claim, name) != name
            }
            if not foreign:
                break
            assert not foreign.keys() <= lost.keys(), "the domain ignores taken claims"
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
        command = ReserveReferral(
            member_id=referrer, code=CODES[referrer], invited_user=address, verified=True
        )
        later = self.model.at(referrer, self.at)
        done = self.do(command)
        assert done == later.reserve(referrer, person, self.at)
        self.model = later if done else self.model

    @rule(referrer=referrers, person=people)
    def confirm(self, referrer: str, person: str) -> None:
        invited_id = f"sub.{PEOPLE.index(person)}"
        later = self.model.at(referrer, self.at)
        done = self.do(
            ConfirmReferral(
                member_id=referrer, use_id=self.use(referrer, person), invited_id=invited_id
            )
        )
        assert done == later.confirm(referrer, person, self.at)
        self.model = later if done else self.model

    @rule(referrer=referrers, person=people)
    def release(self, referrer: str, person: str) -> None:
        known = self.use(referrer, person) in self.states(referrer)
        later = self.model.at(referrer, self.at)
        done = self.do(ReleaseReferral(member_id=referrer, use_id=self.use(referrer, person)))
        released = later.change(referrer, person, "reserved", None)
        assert done == (released or (known and (referrer, person) not in later.seats))
        self.model = later if done else self.model

    @rule(referrer=referrers)
    def settle(self, referrer: str) -> None:
        assert self.do(SettleReferrals(member_id=referrer))
        self.model.pass_time(referrer, self.at)

    @rule(referrer=referrers, total=st.integers(0, 5))
    def grant(self, referrer: str, total: int) -> None:
        done = self.do(GrantQuota(member_id=referrer, total_referrals=total, **WHY))
        later = self.model.at(referrer, self.at)
        assert done == (total >= later.seats_taken(referrer))
        if done:
            self.model = later
            self.model.totals[referrer] = total

    @rule(referrer=referrers, person=people, approve=st.booleans())
    def review(self, referrer: str, person: str, *, approve: bool) -> None:
        use = self.use(referrer, person)
        verdict = ApproveReferral if approve else RejectReferral
        done = self.do(verdict(member_id=referrer, use_id=use, **WHY))
        later = self.model.at(referrer, self.at)
        seat = later.seats.get((referrer, person))
        state = None if seat is None else seat.state
        won = later.won.get(person, referrer) == referrer
        waits = state == "delayed" and (won or not approve)
        assert done == (waits or state == ("confirmed" if approve else "rejected"))
        if done:
            self.model = later
            if waits and approve:
                later.count(referrer, person)
            elif waits:
                later.change(referrer, person, "delayed", "rejected")

    @rule(referrer=referrers, person=people)
    def reverse(self, referrer: str, person: str) -> None:
        use = self.use(referrer, person)
        done = self.do(ReverseReferral(member_id=referrer, use_id=use, **WHY))
        later = self.model.at(referrer, self.at)
        changed = later.change(referrer, person, "confirmed", "reversed")
        seat = later.seats.get((referrer, person))
        assert done == (changed or (seat is not None and seat.state == "reversed"))
        if done:
            self.model = later

    @rule(referrer=referrers, sure=st.integers(0, 9))
    def revoke(self, referrer: str, sure: int) -> None:
        if sure == 0:
            assert self.do(RevokeCode(member_id=referrer, code=CODES[referrer]))
            self.model.revoked.add(referrer)

    def member(self, name: str) -> Member:
        account = DECIDER.fold(self.streams[name])
        assert isinstance(account, Member)
        return account

    def use(self, referrer: str, person: str) -> str:
        return IDS.use_id(referrer, person)

    def states(self, name: str) -> dict[str, str]:
        """Return use id -> status of the referrals that the account knows."""
        referrals = self.member(name).referrals
        uses = [self.use(name, person) for person in PEOPLE]
        return {use: known.name for use in uses if (known := referrals.find(use)) is not None}

    @invariant()
    def a_snapshot_holds_the_same_state(self) -> None:
        for name in self.streams:
            member = self.member(name)
            assert STORED_STATE.validate_json(STORED_STATE.dump_json(member)) == member

    @invariant()
    def seats_never_exceed_the_total(self) -> None:
        for name in self.streams:
            member = self.member(name)
            assert 0 <= member.seats_taken <= member.total_referrals
            assert member.total_referrals == self.model.totals[name]

    @invariant()
    def seats_are_as_the_model_counts_them(self) -> None:
        """A referral that is due but not settled yet has its earlier status in both."""
        for name in self.streams:
            expected = {
                self.use(owner, person): seat.state
                for (owner, person), seat in self.model.seats.items()
                if owner == name
            }
            ended = ("released", "expired")
            assert expected == {
                use_id: state for use_id, state in self.states(name).items() if state not in ended
            }

    @invariant()
    def a_person_is_referred_once(self) -> None:
        confirmed = [
            addresses.folded(referral.invited_user)
            for name in self.streams
            for referral in self.member(name).referrals.confirmed.values()
        ]
        assert len(confirmed) == len(set(confirmed))

    @invariant()
    def views_agree_with_the_stream(self) -> None:
        for name, events in self.streams.items():
            member = self.member(name)
            ranked = due = None
            account: entry.State = ListState(None, {})
            code_state: codes.State = ListState(None, {})
            uses: referral_list.State = ListState(None, {})
            ledger_state: ledger.State = ListState(None, {})
            for event in events:
                account = _with_all(account, fold_entry(account, event))
                code_state = _with_all(code_state, fold_codes(code_state, event))
                uses = _with_all(uses, referral_list.fold(uses, event))
                due = fold_due(due, event)
                ledger_state = _with_all(
                    ledger_state, fold_ledger(_touched(ledger_state, event), event)
                )
                ranked = fold_leaderboard(ranked, event)
            points, member_entry = ledger_state.summary, account.summary
            assert member_entry is not None
            assert code_state.summary is not None
            assert points is not None
            assert ranked is not None
            states = self.states(name)
            confirmed = sum(state == "confirmed" for state in states.values())
            assert member_entry.referrals_remaining == member.seats_left
            assert code_state.summary.remaining == member.seats_left
            assert member_entry.referrals_used == points.invited == confirmed
            used = member_entry.referrals_used + member_entry.referrals_pending
            assert used == member.seats_taken
            assert points.points == ranked.points == 100 * confirmed
            waiting = {use_id for use_id, s in states.items() if s in ("reserved", "delayed")}
            assert set(due.due if due else ()) == waiting
            assert {use.use_id: use.state for use in uses.items.values()} == states


def _touched(state: ledger.State, event: ReferralEvent) -> ledger.State:
    """Return the state as the fold of one event sees it."""
    ids = set(ledger.touched(event))
    return state._replace(items={key: item for key, item in state.items.items() if key in ids})


def _with_all(before: ListState[V, I], after: ListState[V, I]) -> ListState[V, I]:
    """Add the items that an event did not touch, which the read model keeps."""
    return after._replace(items={**before.items, **after.items})


Seats.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestSeats = pytest.mark.slow(Seats.TestCase)
