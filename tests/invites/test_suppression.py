from itertools import permutations

import pytest

from contracts.invites import AddressSuppressed, Reason, SuppressAddress
from invites.domain import SUPPRESSIONS
from invites.suppression import Suppressed
from tests.invites.examples import KEY
from tests.support.scenario import NOON, Scenario

suppression = Scenario(SUPPRESSIONS)
WEAKEST_FIRST: tuple[Reason, ...] = ("unsubscribe", "member", "bounce", "complaint")
STRONGER = [
    (weaker, stronger)
    for number, weaker in enumerate(WEAKEST_FIRST)
    for stronger in WEAKEST_FIRST[number + 1 :]
]


def suppress(reason: Reason) -> SuppressAddress:
    return SuppressAddress(address_key=KEY, reason=reason)


def suppressed(reason: Reason) -> AddressSuppressed:
    return AddressSuppressed(address_key=KEY, reason=reason, suppressed_at=NOON.at)


@pytest.mark.parametrize("reason", WEAKEST_FIRST)
def test_an_address_is_suppressed_once_for_one_reason(reason: Reason) -> None:
    suppression.when(suppress(reason)).then(suppressed(reason))
    suppression.given(suppressed(reason)).when(suppress(reason)).then_nothing()


@pytest.mark.parametrize(("weaker", "stronger"), STRONGER)
def test_a_stronger_reason_is_recorded_and_a_weaker_one_is_not(
    weaker: Reason, stronger: Reason
) -> None:
    suppression.given(suppressed(weaker)).when(suppress(stronger)).then(suppressed(stronger))
    suppression.given(suppressed(stronger)).when(suppress(weaker)).then_nothing()


@pytest.mark.parametrize("order", list(permutations(WEAKEST_FIRST)))
def test_the_strongest_reason_remains_in_whatever_order_reasons_arrive(
    order: tuple[Reason, ...],
) -> None:
    state = SUPPRESSIONS.initial
    for reason in order:
        for event in SUPPRESSIONS.decide(state, suppress(reason), NOON):
            state = SUPPRESSIONS.evolve(state, event)
    assert state == Suppressed("complaint")
