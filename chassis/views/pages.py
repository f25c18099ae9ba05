"""Put the commits of a scanned page together to histories that start at the first event."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from chassis.log.event_store import Commit, History
from contracts.messages import Event

E = TypeVar("E", bound=Event)


def histories_of_page(commits: Iterable[Commit[E]]) -> Iterator[tuple[str, History[E] | None]]:
    """Yield each stream with its history, or with None if the page lacks an earlier commit.

    Commits may come in any order and more than once.
    """
    streams: dict[str, dict[int, Commit[E]]] = {}
    for commit in commits:
        streams.setdefault(commit.stream, {})[commit.first] = commit
    for stream, its_commits in streams.items():
        yield stream, _history(its_commits)


def _history(commits: Mapping[int, Commit[E]]) -> History[E] | None:
    """Return all these commits in order, or None if one is missing before or between them.

    A page with a hole may hold the last commit of a stream whose other commits came earlier: the
    stream must then be loaded from the store, not be cut off at the hole.
    """
    if len(commits) == 1:  # nearly always
        (commit,) = commits.values()
        return History(commit.head, (commit,)) if commit.first == 1 else None
    ordered = tuple(commits[first] for first in sorted(commits))
    ends = (0, *(commit.last for commit in ordered))
    if any(commit.first != end + 1 for end, commit in zip(ends, ordered, strict=False)):
        return None
    return History(ordered[-1].head, ordered)
