"""Collect columns part by part, in memory or in files that are mapped afterwards."""

from collections.abc import Sequence
from contextlib import ExitStack
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

Columns = Sequence[NDArray[Any]]


class MemorySpool:
    """Collect columns in memory."""

    def __init__(self, dtypes: Sequence[DTypeLike]) -> None:
        """Start with one empty column for each type."""
        self._dtypes = list(dtypes)
        self._parts: list[Columns] = [[np.empty(0, dtype) for dtype in dtypes]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what was collected."""

    def append(self, columns: Columns) -> None:
        """Append rows; the columns have the same length."""
        typed = zip(columns, self._dtypes, strict=True)
        self._parts.append([np.asarray(column, dtype) for column, dtype in typed])

    def columns(self) -> Columns:
        """Return everything that was appended."""
        if len(self._parts) == 2:  # noqa: PLR2004  the empty one and another: no copy
            return self._parts[1]
        return [np.concatenate(column) for column in zip(*self._parts, strict=True)]


class FileSpool:
    """Collect columns in one file each."""

    def __init__(self, directory: Path, dtypes: Sequence[DTypeLike]) -> None:
        """Create the directory; it must not have the files yet."""
        directory.mkdir(parents=True, exist_ok=True)
        self._paths = [directory / f"{n}.{np.dtype(each).name}" for n, each in enumerate(dtypes)]
        self._dtypes, self._open = list(dtypes), ExitStack()

    def __enter__(self) -> Self:
        self._files = [self._open.enter_context(path.open("wb")) for path in self._paths]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, at)

    def append(self, columns: Columns) -> None:
        """Append rows; the columns have the same length."""
        for file, dtype, column in zip(self._files, self._dtypes, columns, strict=True):
            np.ascontiguousarray(column, dtype).tofile(file)

    def columns(self) -> Columns:
        """Map everything that was appended; the files must be closed."""
        return [mapped(path, dtype) for path, dtype in zip(self._paths, self._dtypes, strict=True)]


Spool = MemorySpool | FileSpool


def mapped(path: Path, dtype: DTypeLike, rows: int | None = None, width: int = 0) -> NDArray[Any]:
    """Map a file as a column (rows,) or (rows, width), read-only; by default all its rows."""
    item = np.dtype(dtype).itemsize * (width or 1)
    rows = path.stat().st_size // item if rows is None else rows
    shape = (rows, width) if width else (rows,)
    if not rows:  # an empty file cannot be mapped
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, mode="r", shape=shape).view(np.ndarray)  # it slices faster


def release(*columns: NDArray[Any]) -> None:
    """Let the system forget the pages of mapped columns that were read; the data stays on disk."""
    for column in columns:
        base: Any = column
        while base is not None and not isinstance(base, mmap):
            base = getattr(base, "base", None)
        if base is not None:
            base.madvise(MADV_DONTNEED)
