"""Reads what an `Ordering` orders: pages, places, and what has come due."""

import hashlib
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from redis.exceptions import NoScriptError

from chassis.views.read_models import ReadModels, board_key

_PAGE: Final = files("chassis.views").joinpath("board.lua").read_text()
_SHA: Final = hashlib.sha1(_PAGE.encode(), usedforsecurity=False).hexdigest()
_HEAD: Final = 5
_ROW: Final = 3


@dataclass(frozen=True, slots=True)
class Row:
    rank: int
    member: str
    score: float
    entry: bytes

    @property
    def whole(self) -> int:
        return math.floor(self.score)


@dataclass(frozen=True, slots=True)
class BoardPage:
    total: int
    own_score: float | None
    """None: the member is not on this board."""
    own_rank: int | None
    rows: tuple[Row, ...]
    first: int
    """How many stand before the first row."""


@dataclass(frozen=True, slots=True)
class Boards:
    """The boards of one ordering; equal whole scores have equal ranks (1, 2, 2, 4)."""

    models: ReadModels
    name: str

    async def page(
        self, board: str, *, member: str = "", around: bool = False, first: int = 0, most: int = 0
    ) -> BoardPage:
        """Rows from `first` on, or around the member; one round trip, however large the board.

        Raises:
            ReadModelsLost: Redis has lost the read model.
        """
        entries = await self.models.shared_key(self.name)
        page = await self._page(entries, board, member, around=around, first=first, most=most)
        if page.total == 0 and (latest := await self.models.shared_key(self.name, fresh=True)):
            if latest == entries:
                return page
            page = await self._page(latest, board, member, around=around, first=first, most=most)
        return page

    async def lowest(self, board: str, *, upto: float, most: int) -> list[str]:
        """Members with scores up to `upto`, lowest first."""
        entries = await self.models.shared_key(self.name)
        rows = await self.models.redis.zrangebyscore(
            board_key(entries, board), "-inf", upto, start=0, num=most
        )
        return [row.decode() for row in rows]

    async def entry(self, member: str) -> bytes | None:
        value: bytes | None = await self.models.redis.hget(
            await self.models.shared_key(self.name), member
        )
        return value

    async def _page(
        self, entries: str, board: str, member: str, *, around: bool, first: int, most: int
    ) -> BoardPage:
        keys = [board_key(entries, board), entries]
        arguments = [member, int(around), first, max(most, 0)]
        try:
            answer = await self.models.redis.evalsha(_SHA, len(keys), *keys, *arguments)
        except NoScriptError:  # a restart or failover emptied the script cache
            answer = await self.models.redis.eval(_PAGE, len(keys), *keys, *arguments)
        return _read(answer)


def _read(answer: list[Any]) -> BoardPage:
    total, own_score, own_rank, first, rank = answer[:_HEAD]
    rows: list[Row] = []
    for place in range(_HEAD, len(answer), _ROW):
        member, score, entry = answer[place : place + _ROW]
        row = Row(0, member.decode(), float(score), entry or b"null")
        if rows and row.whole != rows[-1].whole:
            rank = first + len(rows) + 1  # everybody before has more
        rows.append(Row(rank, row.member, row.score, row.entry))
    return BoardPage(
        total=total,
        own_score=None if own_score is None else float(own_score),
        own_rank=own_rank,
        rows=tuple(rows),
        first=first,
    )
