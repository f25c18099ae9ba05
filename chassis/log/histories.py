"""Load every stream of a store, one after the other, for computations over the entire history."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chassis.log.event_store import Commit, EventStore, Head, History

E = TypeVar("E")


@dataclass(slots=True)
class Histories(Generic[E]):
    """Read the history of every stream, and list the streams that cannot be read completely."""

    store: EventStore[E]
    unreadable: dict[str, str] = field(default_factory=dict)
    """Stream -> why it ends early. Complete once all histories were read."""

    async def read(self) -> AsyncIterator[History[E]]:
        """Yield the history of each stream, in no particular order of the streams.

        One page and one stream are in memory at a time. A scan keeps the commits of a stream
        together (in DynamoDB they share a partition key); their order within it is not relied
        upon. A stream that is unreadable from a version on ends before it, as its read models do:
        it is listed in `unreadable`, and the other streams are yielded.
        """
        run: dict[int, Commit[E]] = {}
        stream = ""
        async for page in self.store.scan():
            self.unreadable |= dict(page.unreadable)
            for commit in page.commits:
                if run and commit.stream != stream:
                    yield self._history(stream, run)
                    run = {}
                stream = commit.stream
                run[commit.first] = commit
        if run:
            yield self._history(stream, run)

    def _history(self, stream: str, run: dict[int, Commit[E]]) -> History[E]:
        commits: list[Commit[E]] = []
        version = 0
        for first in sorted(run):
            if first != version + 1:
                self.unreadable.setdefault(stream, f"version {version + 1} is missing")
                break
            commits.append(run[first])
            version = run[first].last
        return History(Head(stream, version), tuple(commits))
