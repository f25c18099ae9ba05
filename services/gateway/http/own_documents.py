"""Load documents of the caller's own stream, and let callers read their own writes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from chassis.views.read_models import Document, ReadModels
from contracts.messages import View
from contracts.read_models import DocumentRef
from contracts.streams import MEMBERS
from gateway.http.change_feed import ChangeFeed
from gateway.http.preferences import X_MIN_POSITION, minimum_version
from gateway.http.problems import not_reached
from gateway.http.routing import RequestContext
from gateway.http.waiting import wait_until_found

T = TypeVar("T")
V = TypeVar("V", bound=View)

WAIT_SECONDS = 2.0
"""Seconds a read waits until the caller's own last write is visible."""


@dataclass(frozen=True, slots=True)
class OwnDocuments:
    """Load read-model documents of the calling member."""

    read_models: ReadModels
    changes: ChangeFeed

    async def load(self, context: RequestContext, ref: DocumentRef[V]) -> Document[V] | None:
        """Return the caller's document, at least as new as `X-Min-Position` demands.

        Uses the prefetched reply if the route prefetches this document.

        Raises:
            Problem: 400 for a position in another stream; 503 if the document does not reach the
                position within `WAIT_SECONDS`.
        """
        stream = MEMBERS.stream(context.caller.subject)
        prefetched = context.prefetched if ref is context.route.prefetch else None
        document = await self.read_models.document(ref, stream, prefetched)
        if X_MIN_POSITION not in context.request.headers:
            return document
        return await self.new_enough(
            context, document, lambda: self.read_models.document(ref, stream), _version
        )

    async def new_enough(
        self,
        context: RequestContext,
        found: T,
        read_again: Callable[[], Awaitable[T]],
        version: Callable[[T], int],
    ) -> T:
        """Return what was found, or a later read that is as new as `X-Min-Position` demands.

        `version` returns the version of the caller's stream that a read reflects.

        Raises:
            Problem: as `load` does.
        """
        stream = MEMBERS.stream(context.caller.subject)
        wanted = minimum_version(context.request, stream)
        if wanted <= version(found):
            return found

        async def look() -> tuple[T] | None:
            again = await read_again()
            return (again,) if wanted <= version(again) else None

        reached = await wait_until_found(self.changes, stream, look, WAIT_SECONDS)
        if reached is None:
            raise not_reached()
        return reached[0]


def _version(document: Document[Any] | None) -> int:
    return 0 if document is None else document.version
