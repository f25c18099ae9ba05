"""Write an operator command's results and progress to the terminal, and parse its times."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic, TypeVar

P = TypeVar("P")

USAGE = 2
"""Exit code for wrong arguments."""


def report(text: str) -> None:
    """Write a line about the course of a command, to standard error."""
    sys.stderr.write(f"{text}\n")


def output(text: str) -> None:
    """Write a line of a command's result, to standard output."""
    sys.stdout.write(f"{text}\n")


def bar(share: float, width: int = 20) -> str:
    """Draw a progress bar for a share between 0 and 1."""
    done = int(min(1.0, max(0.0, share)) * width)
    return f"[{'#' * done}{'.' * (width - done)}]"


class ProgressLine(Generic[P]):
    """Show progress: one line that is overwritten on a terminal, a line per second elsewhere."""

    def __init__(self, describe: Callable[[P], str]) -> None:
        """Create a line; `describe` turns progress into text."""
        self._describe = describe
        self._next = 0.0

    def __call__(self, progress: P) -> None:
        """Show the progress."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{self._describe(progress)}\x1b[K")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + 1
            report(self._describe(progress))

    def end(self) -> None:
        """Leave the line, so that other output does not overwrite it."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")


def parse_time(text: str) -> int:
    """Return a time in ISO 8601 as milliseconds since the UNIX epoch; UTC without an offset.

    Raises:
        ValueError: the text is not such a time.
    """
    when = datetime.fromisoformat(text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1000)


def parse_version_or_time(text: str) -> dict[str, int]:
    """Return a stream version or a time, as keyword arguments of `History.as_of`.

    Raises:
        ValueError: the text is neither a number nor a time in ISO 8601.
    """
    if text.isdecimal():
        return {"version": int(text)}
    return {"at_ms": parse_time(text)}
