"""Announce past events to one subscriber: for a service that subscribes to them later."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import orjson

from chassis.bus.announcements import Announcer
from chassis.log.event_store import Commit, EventStore
from contracts.messages import Event

E = TypeVar("E", bound=Event)

CHECKPOINT_DAYS = 30
"""Days after which the checkpoint of an unfinished backfill is deleted."""


def checkpoint_key(service: str, subscriber: str) -> str:
    """Return the Redis key of the checkpoint, one per subscriber: JSON of `BackfillProgress`."""
    return f"{{{service}}}:backfill:{subscriber}"


class UnknownSubscriber(Exception):
    """The service does not subscribe to any event of this log."""


@dataclass(slots=True)
class BackfillProgress:
    """Count what a backfill has done."""

    since_ms: int
    """Commits before this time, in milliseconds since the UNIX epoch, are skipped."""
    commits: int = 0
    """Commits that were read."""
    announced: int = 0
    """Messages that were sent, or in a dry run would be."""
    total: int = 0
    """Commits in the log, approximately."""
    cursor: str | None = None
    """Where the next page of the log begins."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Stream -> why it cannot be read: from the page that showed it on, it is left out."""


@dataclass(slots=True)
class Backfill(Generic[E]):
    """Announce the past events of one log to one subscriber, in the order of each stream.

    The log is scanned page by page; after each page the place is stored in Redis, so that a run
    that was interrupted resumes. A page may be announced twice then, which subscribers recognise
    by the events' ids. Other subscribers receive nothing.
    """

    store: EventStore[E]
    announcer: Announcer[E]
    redis: Any
    service: str
    on_page: Callable[[BackfillProgress], None] = field(default=lambda _: None)

    async def run(
        self, subscriber: str, *, since_ms: int = 0, dry_run: bool = False
    ) -> BackfillProgress:
        """Announce the events since `since_ms`, or count them in a dry run.

        Resumes an unfinished run for the same subscriber and time.

        Raises:
            UnknownSubscriber: the service subscribes to none of the log's events.
        """
        if not any(subscriber in services for services in self.announcer.subscribers.values()):
            known = sorted({s for names in self.announcer.subscribers.values() for s in names})
            raise UnknownSubscriber(
                f"{subscriber} subscribes to no event of {self.service}. Subscribers: "
                f"{', '.join(known)}."
            )
        progress = await self._resume(subscriber, since_ms) if not dry_run else None
        progress = progress or BackfillProgress(since_ms)
        progress.total = await self.store.approximate_commits()
        async for page in self.store.scan(cursor=progress.cursor):
            progress.unreadable |= dict(page.unreadable)
            progress.commits += len(page.commits)
            for commit in in_stream_order(page.commits):
                progress.announced += await self._announce(
                    commit, subscriber, progress, dry_run=dry_run
                )
            progress.cursor = page.cursor
            if not dry_run:
                await self._save(subscriber, progress)
            self.on_page(progress)
        return progress

    async def _announce(
        self, commit: Commit[E], subscriber: str, progress: BackfillProgress, *, dry_run: bool
    ) -> int:
        if commit.origin.at < progress.since_ms:
            return 0
        if commit.stream in progress.unreadable:  # later events must not overtake the missing one
            return 0
        if dry_run:
            return len(list(self.announcer.announcements(commit, only=subscriber)))
        return await self.announcer.announce(commit, only=subscriber)

    async def _resume(self, subscriber: str, since_ms: int) -> BackfillProgress | None:
        stored = await self.redis.get(checkpoint_key(self.service, subscriber))
        if stored is None:
            return None
        progress = BackfillProgress(**orjson.loads(stored))
        return progress if progress.since_ms == since_ms else None

    async def _save(self, subscriber: str, progress: BackfillProgress) -> None:
        key = checkpoint_key(self.service, subscriber)
        if progress.cursor is None:  # the last page: the next run starts again
            await self.redis.delete(key)
            return
        await self.redis.set(key, orjson.dumps(progress), ex=CHECKPOINT_DAYS * 24 * 3600)


def in_stream_order(commits: Iterable[Commit[E]]) -> list[Commit[E]]:
    """Return commits with those of each stream in the order of their versions."""
    return sorted(commits, key=lambda commit: (commit.stream, commit.first))
