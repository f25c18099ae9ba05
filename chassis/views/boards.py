"""Read the boards of an `Ordering`: pages, ranks, and members with the lowest scores."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, NamedTuple

from typing_extensions import TypeVar

from chassis.views.identity import Read
from chassis.views.keys import board_key, shared_location
from chassis.views.read_models import ReadModels, entries_key
from chassis.views.scripts import LuaScript
from contracts.messages import View
from contracts.read_models import BoardRef

V = TypeVar("V", bound=View, default=Any)

_PAGE: Final = LuaScript.load("chassis.views", "board.lua")
_HEADER_LENGTH: Final = 7
_ROW_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class BoardRow(Generic[V]):
    """Describe one member's row of a board."""

    rank: int
    member: str
    score: float
    entry: bytes
    """The member's view as JSON; `null` if it has none."""
    type: type[V]

    @property
    def view(self) -> V:
        """Parse the member's view."""
        return self.type.model_validate_json(self.entry)

    @property
    def ranking_score(self) -> int:
        """Integer part of the score; rows in which it is equal share a rank."""
        return math.floor(self.score)


class BoardPosition(NamedTuple):
    """Identify a state of all boards of one ordering; a later state is greater."""

    generation: int
    changes: int
    """Changes that the generation had received; 0 if it was written by a build that counts none."""


@dataclass(frozen=True, slots=True)
class BoardPage(Generic[V]):
    """Hold some rows of a board, and one member's score and rank, all of the same position."""

    position: BoardPosition
    member_version: int
    """Version of the member's stream that the board reflects; 0: none, or no member was named."""
    total: int
    """Number of members on the board."""
    member_score: float | None
    """None: the member is not on this board."""
    member_rank: int | None
    rows: tuple[BoardRow[V], ...]
    first: int
    """Number of rows before the first one of this page."""


@dataclass(frozen=True, slots=True)
class Boards(Generic[V]):
    """Read the boards of one ordering; equal ranking scores have equal ranks (1, 2, 2, 4)."""

    models: ReadModels
    ref: BoardRef[V]

    async def page(
        self, board: str, *, member: str = "", around: bool = False, first: int = 0, limit: int = 0
    ) -> BoardPage[V]:
        """Return up to `limit` rows from the `first` one, and score, rank and version of `member`.

        With `around`, the member's row is in the middle of the page. One round trip, however
        large the board is.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        generation = await self.models.generation(self.ref)
        while True:
            arguments = [member, int(around), first, max(limit, 0)]
            page = await self._page(generation, board, arguments)
            if page.total and not (member and page.member_score is None):
                return page
            sought = member if page.total else ""
            again = await self.models.read_again(
                self.ref, generation, partial(self._presence, board, sought)
            )
            if again.generation == generation and again.reply in (None, 0):
                return page
            generation = again.generation

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

    async def count_and_lowest(self, board: str) -> tuple[int, float | None]:
        """Return the number of members of a board and the lowest score; None if it is empty.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        key = board_key(await self.models.shared_key(self.ref), board)
        redis = self.models.redis
        count, lowest = await asyncio.gather(
            redis.zcard(key), redis.zrange(key, 0, 0, withscores=True)
        )
        return count, float(lowest[0][1]) if lowest else None

    async def view(self, member: str) -> V | None:
        """Return a member's view, or None if it has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        (view,) = await self.views([member])
        return view

    async def views(self, members: Sequence[str]) -> tuple[V | None, ...]:
        """Return the views of several members, None for each that has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        entries = await self.models.shared_fields(self.ref, members)
        parse = self.ref.view.model_validate_json
        return tuple(None if entry is None else parse(entry) for entry in entries)

    def _presence(self, board: str, member: str, generation: int) -> Read:
        """Return the command that asks whether a member, or any, is on a board."""
        key = board_key(entries_key(self.ref, generation), board)
        return Read(key, ("ZSCORE", key, member) if member else ("ZCARD", key))

    async def _page(self, generation: int, board: str, arguments: Sequence[Any]) -> BoardPage[V]:
        at = shared_location(self.ref.service, self.ref.name, generation, "")
        keys = [board_key(at.data_key, board), at.data_key, at.version_key, at.fingerprint_key]
        reply = await _PAGE.run(self.models.redis, keys, arguments)
        return _parse_page(reply, self.ref.view, generation)


def _parse_page(reply: list[Any], view: type[V], generation: int) -> BoardPage[V]:
    changes, version, total, member_score, member_rank, first, rank = reply[:_HEADER_LENGTH]
    rows: list[BoardRow[V]] = []
    for start in range(_HEADER_LENGTH, len(reply), _ROW_LENGTH):
        member, stored_score, entry = reply[start : start + _ROW_LENGTH]
        score = float(stored_score)
        if rows and math.floor(score) != rows[-1].ranking_score:
            rank = first + len(rows) + 1  # every row before it has a higher score
        rows.append(BoardRow(rank, member.decode(), score, entry or b"null", view))
    return BoardPage(
        position=BoardPosition(generation, int(changes or 0)),
        member_version=int(version or 0),
        total=total,
        member_score=None if member_score is None else float(member_score),
        member_rank=member_rank,
        rows=tuple(rows),
        first=first,
    )
