"""Read the lists of a `Listing`: the summary, pages of items in an order, and single items."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic

from typing_extensions import TypeVar

from chassis.views.keys import (
    DOCUMENT_FIELD,
    VERSION_FIELD,
    board_key,
    document_key,
    item_field,
)
from chassis.views.read_models import Document, ReadModels, Reread, fields_of
from chassis.views.scripts import LuaScript
from contracts.messages import View
from contracts.read_models import ListRef

V = TypeVar("V", bound=View, default=Any)
I = TypeVar("I", bound=View, default=Any)  # noqa: E741  the item, next to V, the view

_PAGE: Final = LuaScript.load("chassis.views", "list.lua")
_HEADER_LENGTH: Final = 3
_ROW_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class ListItem(Generic[I]):
    """Describe one item on a page of a list."""

    item_id: str
    score: float
    body: bytes
    """The item as JSON."""
    type: type[I]

    @property
    def view(self) -> I:
        """Parse the stored JSON."""
        return self.type.model_validate_json(self.body)


@dataclass(frozen=True, slots=True)
class ListPage(Generic[V, I]):
    """Hold the summary of a list and some of its items; both are of the same version."""

    summary: Document[V] | None
    """None: the stream has no list."""
    total: int
    """Number of items in this order, on all pages."""
    items: tuple[ListItem[I], ...]
    next: float | None
    """Score after which the next page begins; None on the last page."""


@dataclass(frozen=True, slots=True)
class Lists(Generic[V, I]):
    """Read the lists of one read model, each time in one round trip, however long a list is."""

    models: ReadModels
    ref: ListRef[V, I]

    async def summary(self, stream: str) -> Document[V] | None:
        """Return the summary of a stream's list, or None if the stream has none.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        version, body = await self._fields(stream, [DOCUMENT_FIELD])
        return None if body is None else Document(body, int(version), self.ref.view)

    async def item(self, stream: str, item_id: str) -> I | None:
        """Return one item of a stream's list, or None if the list has none with this id.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        (item,) = await self.items(stream, [item_id])
        return item

    async def items(self, stream: str, item_ids: Sequence[str]) -> tuple[I | None, ...]:
        """Return several items of a stream's list, None for each that the list does not have.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        if not item_ids:
            return ()
        _, *bodies = await self._fields(stream, [item_field(item_id) for item_id in item_ids])
        parse = self.ref.item.model_validate_json
        return tuple(None if body is None else parse(body) for body in bodies)

    async def page(
        self,
        stream: str,
        order: str,
        *,
        after: float | None = None,
        limit: int,
        descending: bool = True,
    ) -> ListPage[V, I]:
        """Return the summary and up to `limit` items, those with the greatest scores first.

        `after` is the score of the last item of the page before, None for the first page.
        `descending=False` begins with the lowest scores instead.

        Raises:
            ReadModelsLost: Redis does not hold the read model at the moment.
        """
        start = f"({after!r}" if after is not None else "+inf" if descending else "-inf"
        arguments = [
            VERSION_FIELD, DOCUMENT_FIELD, item_field(""), int(descending), start, limit + 1
        ]  # fmt: skip
        generation = await self.models.generation(self.ref)
        while True:
            key = document_key(self.ref.service, self.ref.name, generation, stream)
            reply = await self._page(key, order, arguments)
            if reply[0] is not None:
                return self._parse(reply, limit)
            again = await self._read_again(stream, [DOCUMENT_FIELD], generation)
            if again.generation == generation and again.reply[0] is None:
                return self._parse(reply, limit)
            generation = again.generation

    async def _page(self, key: str, order: str, arguments: list[Any]) -> list[Any]:
        reply: list[Any] = await _PAGE.run(
            self.models.redis, [key, board_key(key, order)], arguments
        )
        return reply

    async def _fields(self, stream: str, fields: Sequence[str]) -> Sequence[Any]:
        """Return a list's version and some of its fields.

        A list that was found is complete: a field that it lacks does not exist.
        """
        generation = await self.models.generation(self.ref)
        _, words = fields_of(self.ref, stream, fields, generation)
        reply: Sequence[Any] = await self.models.redis.execute_command(*words)
        if not any(body is not None for body in reply[1:]):
            reply = (await self._read_again(stream, fields, generation)).reply
        return reply

    async def _read_again(self, stream: str, fields: Sequence[str], generation: int) -> Reread:
        return await self.models.read_again(
            self.ref, generation, partial(fields_of, self.ref, stream, fields)
        )

    def _parse(self, reply: list[Any], limit: int) -> ListPage[V, I]:
        version, body, total = reply[:_HEADER_LENGTH]
        items: list[ListItem[I]] = []
        for start in range(_HEADER_LENGTH, len(reply), _ROW_LENGTH):
            score, item_id, stored = reply[start : start + _ROW_LENGTH]
            items.append(ListItem(item_id.decode(), float(score), stored, self.ref.item))
        more = len(items) > limit
        return ListPage(
            summary=None if body is None else Document(body, int(version), self.ref.view),
            total=total,
            items=tuple(items[:limit]),
            next=items[limit - 1].score if more else None,
        )
