"""Read the boards of an `Ordering`: pages, ranks, and members with the lowest scores."""

import math
from dataclasses import dataclass
from typing import Any, Final

from chassis.views.keys import board_key
from chassis.views.read_models import ReadModels
from chassis.views.scripts import LuaScript
from contracts.read_models import BoardRef

_PAGE: Final = LuaScript.load("chassis.views", "board.lua")
_HEADER_LENGTH: Final = 5
_ROW_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class BoardRow:
    """Describe one member's row of a board."""

    rank: int
    member: str
    score: float
    entry: bytes
    """The member's entry as JSON; `null` if it has none."""

    @property
    def ranking_score(self) -> int:
        """Integer part of the score; rows in which it is equal share a rank."""
        return math.floor(self.score)


@dataclass(frozen=True, slots=True)
class BoardPage:
    """Hold some rows of a board, and one member's score and rank."""

    total: int
    """Number of members on the board."""
    member_score: float | None
    """None: the member is not on this board."""
    member_rank: int | None
    rows: tuple[BoardRow, ...]
    first: int
    """Number of rows before the first one of this page."""


@dataclass(frozen=True, slots=True)
class Boards:
    """Read the boards of one ordering; equal ranking scores have equal ranks (1, 2, 2, 4)."""

    models: ReadModels
    ref: BoardRef[Any]

    async def page(
        self, board: str, *, member: str = "", around: bool = False, first: int = 0, limit: int = 0
    ) -> BoardPage:
        """Return up to `limit` rows from the `first` one, and the score and rank of `member`.

        With `around`, the member's row is in the middle of the page. One round trip, however
        large the board is.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        entries = await self.models.shared_key(self.ref)
        page = await self._page(entries, board, member, around=around, first=first, limit=limit)
        if page.total == 0 and (latest := await self.models.shared_key(self.ref, fresh=True)):
            if latest == entries:
                return page
            page = await self._page(latest, board, member, around=around, first=first, limit=limit)
        return page

    async def lowest(self, board: str, *, max_score: float, limit: int) -> list[str]:
        """Return up to `limit` members with scores of at most `max_score`, lowest first.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        entries = await self.models.shared_key(self.ref)
        rows = await self.models.redis.zrangebyscore(
            board_key(entries, board), "-inf", max_score, start=0, num=limit
        )
        return [row.decode() for row in rows]

    async def entry(self, member: str) -> bytes | None:
        """Return a member's entry as JSON, or None if it has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        value: bytes | None = await self.models.redis.hget(
            await self.models.shared_key(self.ref), member
        )
        return value

    async def _page(
        self, entries: str, board: str, member: str, *, around: bool, first: int, limit: int
    ) -> BoardPage:
        keys = [board_key(entries, board), entries]
        arguments = [member, int(around), first, max(limit, 0)]
        return _parse_page(await _PAGE.run(self.models.redis, keys, arguments))


def _parse_page(reply: list[Any]) -> BoardPage:
    total, member_score, member_rank, first, rank = reply[:_HEADER_LENGTH]
    rows: list[BoardRow] = []
    for start in range(_HEADER_LENGTH, len(reply), _ROW_LENGTH):
        member, score, entry = reply[start : start + _ROW_LENGTH]
        row = BoardRow(0, member.decode(), float(score), entry or b"null")
        if rows and row.ranking_score != rows[-1].ranking_score:
            rank = first + len(rows) + 1  # every row before it has a higher score
        rows.append(BoardRow(rank, row.member, row.score, row.entry))
    return BoardPage(
        total=total,
        member_score=None if member_score is None else float(member_score),
        member_rank=member_rank,
        rows=tuple(rows),
        first=first,
    )
