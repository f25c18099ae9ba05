"""Every stream of a store, whole and one after the other: for what must look at all of history."""

from collections.abc import AsyncIterator
from typing import TypeVar

from chassis.log.event_store import Commit, EventStore, History, UnknownEvent

E = TypeVar("E")


async def histories(store: EventStore[E]) -> AsyncIterator[History[E]]:
    """Streams in no promised order, in memory one page and one stream at a time.

    A scan keeps the commits of a stream together (DynamoDB: one partition key). Their order in it
    is not relied upon, and a commit that is missing is noticed: nothing is told in part.

    Raises:
        UnknownEvent: a stream cannot be read, or has a hole; nothing can be said about all of
            history then.
    """
    run: dict[int, Commit[E]] = {}
    stream = ""
    async for page in store.scan():
        for unreadable, why in page.unreadable:
            raise UnknownEvent(f"{unreadable}: {why}")
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
            raise UnknownEvent(f"{commit.stream}: version {expected} is not where it belongs")
        expected = commit.last + 1
    return History(commits[-1].head, commits)
