"""Read complete ledgers, for what follows from all entries: statistics, charts and past ranks."""

from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.points import ALL_ENTRIES, POINTS, LedgerEntry, PointsView

_PAGE = 500


async def load_ledger(read_models: ReadModels, stream: str) -> PointsView | None:
    """Return a member's ledger with all its entries, or None if the stream has none.

    Raises:
        ReadModelsLost: Redis does not hold the read model at the moment.
    """
    ledgers = Lists(read_models, POINTS)
    entries: list[LedgerEntry] = []
    after: float | None = None
    while True:
        page = await ledgers.page(stream, ALL_ENTRIES, after=after, limit=_PAGE, descending=False)
        entries += (row.view for row in page.items)
        after = page.next
        if page.summary is None or after is None:
            break
    if page.summary is None:
        return None
    return page.summary.view.model_copy(update={"entries": tuple(entries)})
