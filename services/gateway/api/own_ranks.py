"""Read a member's points and rank so that they belong together, and name their positions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chassis.views.boards import BoardPage, Boards
from chassis.views.read_models import ReadModels
from contracts.points import LEADERBOARD, POINTS_SUMMARY, PointsView, StandingView
from contracts.ranking import ALL_TIME
from contracts.streams import MEMBERS
from gateway.api.ledgers import load_ledger
from gateway.http.change_feed import ChangeFeed
from gateway.http.waiting import wait_until_found

AGREE_SECONDS: Final = 1.0
"""Seconds a read waits until ledger and leaderboard reflect the same version of a stream."""


@dataclass(frozen=True, slots=True)
class OwnRank:
    """Hold a member's ledger, and what the leaderboard says at the same version of its stream."""

    ledger: PointsView
    board: BoardPage[StandingView] | None
    """None: the leaderboard lags behind the ledger, so that the rank is not known."""

    @property
    def position(self) -> str:
        """The version of the member's stream that both reflect."""
        return f"{MEMBERS.stream(self.ledger.member_id)}@{self.ledger.version}"

    @property
    def rank(self) -> int | None:
        """The rank; None if it is not known, or the member is not on the board."""
        return None if self.board is None else self.board.member_rank

    @property
    def total(self) -> int | None:
        """Number of ranked members; None if it is not known."""
        return None if self.board is None else self.board.total

    @property
    def board_position(self) -> str | None:
        """The state of the leaderboard; None if the rank is not known."""
        return None if self.board is None else board_position(self.board)


@dataclass(frozen=True, slots=True)
class OwnRanks:
    """Read the ledger and the leaderboard at the same version of a member's stream.

    They are in different slots of a Redis cluster, so no script can read both in one step. Both say
    which version of the stream they reflect: what was read belongs together if these are equal.
    """

    read_models: ReadModels
    changes: ChangeFeed

    async def load(self, member_id: str, *, rows: int = 0) -> OwnRank | None:
        """Return a member's ledger with its entries, and up to `rows` rows around the member.

        None if the member has no account. The ledger and the board are read in one round trip, and
        again while they differ, for up to `AGREE_SECONDS`.

        Raises:
            ReadModelsLost: Redis does not hold one of the read models at the moment.
        """
        stream = MEMBERS.stream(member_id)
        return await self._together(stream, lambda: load_ledger(self.read_models, stream), rows)

    async def load_summary(self, member_id: str) -> OwnRank | None:
        """Return a member's points and rank without the entries of the ledger; see `load`."""
        stream = MEMBERS.stream(member_id)
        return await self._together(
            stream, lambda: self.read_models.view(POINTS_SUMMARY, stream), 0
        )

    async def _together(
        self, stream: str, load: Callable[[], Awaitable[PointsView | None]], rows: int
    ) -> OwnRank | None:
        boards = Boards(self.read_models, LEADERBOARD)

        async def read() -> tuple[PointsView | None, BoardPage[StandingView]]:
            return await asyncio.gather(
                load(), boards.page(ALL_TIME, member=stream, around=rows > 0, limit=rows)
            )

        async def read_equal() -> OwnRank | None:
            ledger, board = await read()
            return OwnRank(ledger, board) if ledger is not None and _agree(ledger, board) else None

        ledger, board = await read()
        if ledger is None or not ledger.since:
            return None
        if _agree(ledger, board):
            return OwnRank(ledger, board)
        found = await wait_until_found(self.changes, stream, read_equal, AGREE_SECONDS)
        return found or OwnRank(ledger, None)


def _agree(ledger: PointsView, board: BoardPage[StandingView]) -> bool:
    return ledger.version == board.member_version


def board_position(page: BoardPage[StandingView]) -> str | None:
    """Return the state of the leaderboard; None if an older build wrote it, which counts none."""
    generation, changes = page.position
    return f"{LEADERBOARD.name}@{generation}.{changes}" if changes else None
