"""Combine the aggregates of the service: accounts and the days of the leaderboards (pure).

A stream belongs to one aggregate, which its commands and events determine.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from chassis.decide.decider import Decider, DecisionContext
from contracts.referrals import BoardCommand, BoardEvent, ReferralCommand, ReferralEvent
from referrals.account.decider import account_decider
from referrals.account.policies import Policies
from referrals.account.state import Account, NotOpened
from referrals.board import BOARD_DAYS, BoardDay, OpenDay

State = Account | BoardDay | None
"""State of a stream; None: it has no events, so that its aggregate is not known yet."""

STORED_STATE: Final[TypeAdapter[State]] = TypeAdapter(
    Annotated[Account | BoardDay, Field(discriminator="phase")] | None
)
"""How the state is stored in a snapshot."""


def referrals_decider(
    policies: Policies,
) -> Decider[State, ReferralCommand, ReferralEvent]:
    """Return one decider for all streams of the service."""
    accounts = account_decider(policies)

    def decide(
        state: State, command: ReferralCommand, context: DecisionContext
    ) -> list[ReferralEvent]:
        if isinstance(command, BoardCommand):
            return [*BOARD_DAYS.decide(_as_board_day(state), command, context)]
        return [*accounts.decide(_as_account(state), command, context)]

    def evolve(state: State, event: ReferralEvent) -> State:
        if isinstance(event, BoardEvent):
            return BOARD_DAYS.evolve(_as_board_day(state), event)
        return accounts.evolve(_as_account(state), event)

    def claims(event: ReferralEvent) -> tuple[str, ...]:
        if isinstance(event, BoardEvent):
            return ()
        return (*accounts.claims(event),)

    def requires_unclaimed(
        state: State, events: Sequence[ReferralEvent], context: DecisionContext
    ) -> Sequence[str]:
        of_account = [event for event in events if not isinstance(event, BoardEvent)]
        return accounts.requires_unclaimed(_as_account(state), of_account, context)

    return Decider(None, decide, evolve, claims, requires_unclaimed)


def _as_account(state: State) -> Account:
    return state if isinstance(state, Account) else NotOpened()


def _as_board_day(state: State) -> BoardDay:
    return state if isinstance(state, BoardDay) else OpenDay()
