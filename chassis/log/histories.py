"""Load every stream of a store, one after the other, for computations over the entire history."""

from collections.abc import AsyncIterator
from typing import TypeVar

from chassis.log.event_store import Commit, EventStore, History, UnknownEvent

E = TypeVar("E")


async def histories(store: EventStore[E]) -> AsyncIterator[History[E]]:
    """Yield the complete history of each stream, in no particular order of the streams.

    One page and one stream are in memory at a time. A scan keeps the commits of a stream together
    (in DynamoDB they share a partition key); their order within it is not relied upon, and a
    missing commit is detected, so no history is yielded in part.

    Raises:
        UnknownEvent: a stream cannot be read, or a commit is missing.
    """
    run: dict[int, Commit[E]] = {}
    stream = ""
    async for page in store.scan():
        for unreadable, reason in page.unreadable:
            raise UnknownEvent(f"{unreadable}: {reason}")
        for commit in page.commits:
            if run and commit.stream != stream:
                yield _history(run)
                run = {}
            stream = commit.stream
            run[commit.first] = commit
    if run:
        yield _history(run)


def _history(run: dict[int, Commit[E]]) -> History[E]:
    commits = tuple(run[first] for first in sorted(run))
    expected = 1
    for commit in commits:
        if commit.first != expected:
            raise UnknownEvent(f"{commit.stream}: version {expected} is missing")
        expected = commit.last + 1
    return History(commits[-1].head, commits)
