"""Cut lists that grow at their end into pages, newest first."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def newest_first(
    rows: Sequence[T], cursor: str | None, size: int
) -> tuple[tuple[T, ...], str | None]:
    """Return a page of `rows` from the newest to older ones, and the cursor of the next page.

    Rows are only appended, so that a cursor keeps its place. The next cursor is None on the last
    page.
    """
    end = len(rows) if cursor is None else min(int(cursor), len(rows))
    start = max(0, end - size)
    return tuple(rows[start:end][::-1]), str(start) if start else None
