"""Read complete ledgers, for what follows from all entries: statistics, charts and past ranks."""

from typing import Any, Final

from chassis.views.lists import ListPage, Lists
from chassis.views.read_models import ReadModels
from contracts.points import ALL_ENTRIES, POINTS, LedgerEntry, PointsView

_PAGE: Final = 500
_ALL: Final = 1_000_000
"""Entries of one page; more than a ledger can have."""

_Pages = list[ListPage[PointsView, Any]]


async def load_ledger(read_models: ReadModels, stream: str) -> PointsView | None:
    """Return a member's ledger with all its entries, or None if the stream has none.

    The entries are of the version that the ledger states: if it changes between two pages, it is
    read again, and at last in one step.

    Raises:
        ReadModelsLost: Redis does not hold the read model at the moment.
    """
    ledgers = Lists(read_models, POINTS)
    for limit in (_PAGE, _PAGE, _ALL):
        pages = await _pages(ledgers, stream, limit)
        if _are_of_one_version(pages):
            break
    if (summary := pages[-1].summary) is None:
        return None
    entries: list[LedgerEntry] = [row.view for page in pages for row in page.items]
    return summary.view.model_copy(update={"entries": tuple(entries)})


async def _pages(ledgers: Lists[Any, Any], stream: str, limit: int) -> _Pages:
    pages: _Pages = []
    after: float | None = None
    while not pages or after is not None:
        page = await ledgers.page(stream, ALL_ENTRIES, after=after, limit=limit, descending=False)
        pages.append(page)
        after = page.next
    return pages


def _are_of_one_version(pages: _Pages) -> bool:
    return len({page.summary and page.summary.version for page in pages}) == 1
