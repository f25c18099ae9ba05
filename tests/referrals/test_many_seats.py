"""An event costs the same however many seats an account has taken, and no seat is lost."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.views.projection import ReadModel
from contracts.referrals import (
    INLINE_REFERRALS,
    MORE_REFERRALS,
    CodesView,
    CodeUse,
    NumberedReferral,
    QuotaGranted,
    ReferralConfirmed,
    ReferralEvent,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    StoredAccount,
    lacks_referrals,
)
from referrals.projections import MODELS
from referrals.views import codes, entry
from tests.referrals.examples import ADMIN, ALICE, CODE, IDS, ISSUED, OPENED
from tests.support.scenario import NOON

STREAM = f"member-{ALICE}"
WHY = {"by": ADMIN, "reason": "a test"}
GRANTED = QuotaGranted(member_id=ALICE, total_referrals=2_000, **WHY, granted_at=NOON.at)
FEW, MANY = INLINE_REFERRALS, 1_500


def reserved(number: int) -> ReferralReserved:
    address = f"person-{number}@example.com"
    return ReferralReserved(
        member_id=ALICE,
        use_id=IDS.use_id(ALICE, address),
        code=CODE,
        invited_user=address,
        reserved_at=NOON.at + number,
        expires_at=NOON.at + number + 1_800,
    )


def confirmed(number: int) -> ReferralConfirmed:
    return ReferralConfirmed(
        member_id=ALICE,
        use_id=reserved(number).use_id,
        invited_id=f"person-{number}",
        address_digest=IDS.address_digest(reserved(number).invited_user),
        confirmed_at=NOON.at + number,
    )


def ended(number: int, *, was_confirmed: bool) -> ReferralEvent:
    use = {"member_id": ALICE, "use_id": reserved(number).use_id}
    if was_confirmed:
        at = {"confirmed_at": NOON.at, "reversed_at": NOON.at}
        return ReferralReversed(**use, invited_id=f"person-{number}", **at, **WHY)
    return ReferralReleased(**use, released_at=NOON.at)


def account_with(seats: int) -> Iterator[ReferralEvent]:
    yield from (OPENED, ISSUED, GRANTED)
    for number in range(seats):
        yield from (reserved(number), confirmed(number))


def fold(model: ReadModel[Any], events: Sequence[ReferralEvent], stored: dict[Any, Any]) -> int:
    """Apply events to what is stored of a stream; return the bytes that are read and written."""
    needed = {name: stored[name] for name in model.needs(STREAM, events) if name in stored}
    changes = model.changes(STREAM, events, needed)
    for name, value in changes.items():
        if value is None:
            stored.pop(name, None)
        else:
            stored[name] = value
    written = [value for value in changes.values() if isinstance(value, bytes)]
    return sum(map(len, needed.values())) + sum(map(len, written))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_one_event_reads_and_writes_the_same_with_1500_confirmed_seats(
    model: ReadModel[Any],
) -> None:
    costs = {}
    for seats in (FEW, MANY):
        stored: dict[Any, Any] = {}
        fold(model, [*account_with(seats)], stored)
        costs[seats] = [
            fold(model, [event], stored)
            for event in (reserved(seats), confirmed(seats), ended(seats, was_confirmed=True))
        ]
    assert sum(costs[MANY]) <= 1.1 * sum(costs[FEW]) + 100


steps = st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=40)


@settings(max_examples=100)
@given(steps, st.integers(1, 5))
def test_an_account_lists_all_of_its_seats_in_order(
    steps: list[tuple[int, bool]], parts: int
) -> None:
    """Fill the document beforehand, so that most of these seats are items of the list."""
    seats = dict.fromkeys(range(100, 100 + INLINE_REFERRALS - 2), False)
    events: list[ReferralEvent] = [OPENED, ISSUED, GRANTED, *map(reserved, seats)]
    for number, end in steps:
        if number not in seats:
            seats[number] = False
            events.append(reserved(number))
        elif end:
            events.append(ended(number, was_confirmed=seats.pop(number)))
        elif not seats[number]:
            seats[number] = True
            events.append(confirmed(number))
    stored = folded_in_parts(entry_model(), events, parts)
    body = stored["d"]
    listed = [
        entry_model().ref.item.model_validate_json(stored[f"i:{member.member}"])
        for member, score in sorted(stored_scores(stored), key=lambda each: each[1])
    ]
    stored_account = StoredAccount.model_validate_json(body)
    account = stored_account.with_listed(listed)
    assert lacks_referrals(body) == bool(listed) == (len(account.referrals) > len(inline(body)))
    assert [each.use_id for each in account.referrals] == [reserved(n).use_id for n in seats]
    assert [each.confirmed for each in account.referrals] == [*seats.values()]
    assert account.referrals_used == sum(seats.values())
    assert account.referrals_pending == len(seats) - sum(seats.values())
    assert account.referrals_remaining == 2_000 - len(seats)
    view = CodesView.model_validate_json(folded_in_parts(codes_model(), events, parts)["d"])
    assert view.remaining == 2_000 - len(seats)
    assert view.codes[0].uses == len(seats)


def test_the_bytes_of_an_account_with_few_seats_have_no_other_field() -> None:
    stored: dict[Any, Any] = {}
    fold(entry_model(), [*account_with(INLINE_REFERRALS)], stored)
    assert not lacks_referrals(stored["d"])
    assert b"more" not in stored["d"]
    assert [name for name in stored if name != "d"] == []


def entry_model() -> Any:
    return next(model for model in MODELS if model.name == "members")


def codes_model() -> Any:
    return next(model for model in MODELS if model.name == "member-codes")


def folded_in_parts(model: Any, events: Sequence[ReferralEvent], parts: int) -> dict[Any, Any]:
    stored: dict[Any, Any] = {}
    size = -(-len(events) // parts)
    for start in range(0, len(events), size):
        fold(model, events[start : start + size], stored)
    at_once: dict[Any, Any] = {}
    fold(model, events, at_once)
    assert stored == at_once
    return stored


def stored_scores(stored: dict[Any, Any]) -> list[tuple[Any, float]]:
    return [(each, score) for each, score in stored.items() if not isinstance(each, str)]


def inline(body: bytes) -> Sequence[Any]:
    return StoredAccount.model_validate_json(body).referrals


def test_the_items_have_one_order_and_codes_have_none() -> None:
    item = NumberedReferral(invited_user="b", timestamp=1, confirmed=False, number=7)
    assert entry.scores(item) == {MORE_REFERRALS: 7}
    assert codes.scores(CodeUse(code=CODE)) == {}
