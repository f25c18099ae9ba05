"""Every stream of a store, whole and one after the other: for what must look at all of history."""

from collections.abc import AsyncIterator
from typing import TypeVar

from chassis.event_store import Commit, EventStore, History, UnknownEvent

E = TypeVar("E")


async def histories(store: EventStore[E]) -> AsyncIterator[History[E]]:
    """Streams in no promised order, in memory one page and one stream at a time.

    Stores keep the commits of a stream together and in order (DynamoDB: one partition key). One
    that does not is noticed: nothing is told in part.

    Raises:
        UnknownEvent: a stream cannot be read, or not in order; nothing can be said about all of
            history then.
    """
    run: list[Commit[E]] = []
    async for page in store.scan():
        for stream, why in page.unreadable:
            raise UnknownEvent(f"{stream}: {why}")
        for commit in page.commits:
            if run and commit.stream == run[-1].stream and commit.first <= run[-1].last:
                continue  # told already
            if run and commit.stream != run[-1].stream:
                yield _history(run)
                run = []
            _check_order(run, commit)
            run.append(commit)
    if run:
        yield _history(run)


def _check_order(run: list[Commit[E]], commit: Commit[E]) -> None:
    expected = run[-1].last + 1 if run else 1
    if commit.first != expected:
        raise UnknownEvent(f"{commit.stream}: version {expected} is not where it belongs")


def _history(run: list[Commit[E]]) -> History[E]:
    return History(run[-1].head, tuple(run))
