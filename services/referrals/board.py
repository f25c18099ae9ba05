"""Decide on a board's day: it is closed once, and its ranks are final (pure)."""

from dataclasses import dataclass
from typing import Literal, assert_never

from chassis.decide.decider import Decider, DecisionContext
from contracts.referrals import BoardCommand, BoardEvent, CloseDay, DayClosed

# State


@dataclass(frozen=True, slots=True)
class OpenDay:
    """Represent a day whose board has not been stored yet."""

    phase: Literal["open_day"] = "open_day"


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """Represent a day whose board is final."""

    phase: Literal["closed_day"] = "closed_day"


BoardDay = OpenDay | ClosedDay

# Evolve


def evolve(_board_day: BoardDay, event: BoardEvent) -> BoardDay:
    """Return the board's day after this event."""
    match event:
        case DayClosed():
            return ClosedDay()
        case _:
            assert_never(event)


# Decide


def decide(
    board_day: BoardDay, command: BoardCommand, context: DecisionContext
) -> list[BoardEvent]:
    """Close the day; closing it again changes nothing."""
    match command:
        case CloseDay():
            return _close(board_day, command, context)
        case _:
            assert_never(command)


def _close(board_day: BoardDay, command: CloseDay, context: DecisionContext) -> list[BoardEvent]:
    match board_day:
        case ClosedDay():
            return []
        case OpenDay():
            return [
                DayClosed(
                    board=command.board,
                    day=command.day,
                    members=sum(level.members for level in command.levels),
                    levels=command.levels,
                    first=command.first,
                    counted_by=command.counted_by,
                    closed_at=context.at,
                )
            ]
        case _:
            assert_never(board_day)


BOARD_DAYS: Decider[BoardDay, BoardCommand, BoardEvent] = Decider(OpenDay(), decide, evolve)
