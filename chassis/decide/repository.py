"""Load a stream, decide on a command and append the events, again after a conflict."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from tenacity import stop_after_attempt, wait_random_exponential

from chassis.decide.decider import Decider, DecisionContext, Rejected
from chassis.log.event_store import (
    ClaimTaken,
    Commit,
    Conflict,
    EventStore,
    Head,
    History,
    Origin,
    Snapshot,
)
from chassis.resilience.failpoint import failpoint
from chassis.resilience.retry import retry
from contracts.messages import Command, Event, Metadata

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

ATTEMPTS = 10
_CONFLICT_BACKOFF = wait_random_exponential(multiplier=0.005)
"""Seconds between two attempts: at random, from a range that doubles."""
REDELIVERY_WINDOW_MS = 14 * 24 * 3600 * 1000
"""SQS keeps a message for fourteen days at most: no command id is redelivered after that."""


@dataclass(frozen=True, slots=True)
class Decision(Generic[E]):
    """Describe the result of a command."""

    history: History[E]
    """The stream including the decision; from its first event unless a snapshot was used."""
    commit: Commit[E] | None
    """None if there was nothing to do."""
    repeated: bool = False
    """True if an earlier delivery had appended `commit`."""

    @property
    def head(self) -> Head:
        """Return the position that the outcome reports."""
        return self.history.head if self.commit is None else self.commit.head


@dataclass(frozen=True, slots=True)
class Snapshots(Generic[S]):
    """Store the folded state of long streams.

    Increase `schema` whenever the state's shape or `evolve` changes: snapshots of another schema
    are ignored and replaced.
    """

    state: TypeAdapter[S]
    schema: int = 1
    every: int = 100
    """Events after which a new snapshot is written."""


def decision_context() -> DecisionContext:
    """Return a context with the current time and 32 random bytes."""
    return DecisionContext(at_ms=time.time_ns() // 1_000_000, entropy=secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class Repository(Generic[S, C, E]):
    """Execute commands on the streams of one event store."""

    store: EventStore[E]
    decider: Decider[S, C, E]
    snapshots: Snapshots[S] | None = None
    now: Callable[[], DecisionContext] = decision_context
    """Makes the context of each attempt."""

    async def execute(
        self,
        command: C,
        metadata: Metadata,
        *,
        digest: str | None = None,
        history: History[E] | None = None,
    ) -> Decision[E]:
        """Carry out a command once, however often it is delivered.

        Args:
            command: The command.
            metadata: Its ids and its actor.
            digest: The hash of the body as its sender computed it; default: of `command`.
            history: The complete stream as the caller last saw it, to save loading it. The stream
                is loaded anyway after a conflict and before a rejection or an empty decision.

        Raises:
            Rejected: the domain rejected the command, or a claim was taken twice in a row.
            CommandIdReused: the id has been used for another body.
            Conflict: other writers won `ATTEMPTS` times; deliver the command again.
        """
        digest = digest or command.body_hash
        if history is not None:
            decision = await self._attempt_on(history, command, metadata, digest)
            if decision is not None:
                return decision
        taken: set[str] = set()
        return await retry(
            lambda: self._around_claims(command, metadata, digest, taken),
            on=_is_conflict,
            wait=_CONFLICT_BACKOFF,
            stop=stop_after_attempt(ATTEMPTS),
        )

    async def _attempt_on(
        self, history: History[E], command: C, metadata: Metadata, digest: str
    ) -> Decision[E] | None:
        """Attempt the command without loading the stream; None if it may be out of date."""
        try:
            decision = await self._attempt(command, metadata, digest, frozenset(), history)
        except (Rejected, Conflict, ClaimTaken):
            return None
        return decision if decision.commit is not None else None

    async def _around_claims(
        self, command: C, metadata: Metadata, digest: str, taken: set[str]
    ) -> Decision[E]:
        """Attempt the command; after a taken claim attempt it again, adding the claim to `taken`.

        A fresh context may lead to another claim, or the domain may do without it.
        """
        while len(taken) < ATTEMPTS:
            try:
                return await self._attempt(command, metadata, digest, frozenset(taken))
            except ClaimTaken as error:
                if error.claim in taken:
                    raise Rejected(_taken(error), code="taken") from error
                taken.add(error.claim)
        raise Rejected("No free name was found. Try again.", code="taken")

    async def _attempt(
        self,
        command: C,
        metadata: Metadata,
        digest: str,
        taken: frozenset[str],
        known: History[E] | None = None,
    ) -> Decision[E]:
        context = replace(self.now(), taken=taken)
        origin = Origin(
            command_id=metadata.command_id,
            body_hash=digest,
            correlation_id=metadata.correlation_id,
            at=context.at_ms,
            causation_id=metadata.causation_id,
            actor=metadata.actor,
        )
        # 1. load
        snapshot = None if known else await self._snapshot(command.stream)
        after = _replay_from(snapshot, origin)
        history = known or await self.store.load(command.stream, after=after)
        failpoint("after_load")
        if (earlier := history.commit_from(origin)) is not None:
            return Decision(history, earlier, repeated=True)
        # 2. decide
        base = self._state(snapshot)
        state = self.decider.fold(history.events, base)
        events = self.decider.decide(state, command, context)
        if not events:
            return Decision(history, commit=None)
        # 3. append
        claims = [claim for event in events for claim in self.decider.claims(event)]
        failpoint("before_append")
        commit = await self.store.append(history.head, events, origin, claims=claims)
        failpoint("after_append")
        await self._save_snapshot(snapshot, history, commit, state)
        return Decision(history.with_commit(commit), commit)

    async def _snapshot(self, stream: str) -> Snapshot | None:
        if self.snapshots is None:
            return None
        snapshot = await self.store.snapshot(stream)
        if snapshot is None or snapshot.schema != self.snapshots.schema:
            return None
        return snapshot

    def _state(self, snapshot: Snapshot | None) -> S | None:
        if snapshot is None or self.snapshots is None:
            return None
        return self.snapshots.state.validate_json(snapshot.state)

    async def _save_snapshot(
        self, snapshot: Snapshot | None, history: History[E], commit: Commit[E], state: S
    ) -> None:
        if self.snapshots is None or commit.last - history.after < self.snapshots.every:
            return
        oldest = commit.origin.at - REDELIVERY_WINDOW_MS
        known = snapshot.recent if snapshot else ()
        recent = (*known, *((c.first, c.last, c.origin) for c in (*history.commits, commit)))
        await self.store.save_snapshot(
            Snapshot(
                stream=commit.stream,
                version=commit.last,
                schema=self.snapshots.schema,
                state=self.snapshots.state.dump_json(self.decider.fold(commit.events, state)),
                recent=tuple(entry for entry in recent if entry[2].at >= oldest),
            )
        )


def _is_conflict(error: BaseException) -> bool:
    return isinstance(error, Conflict)


def _taken(error: ClaimTaken) -> str:
    kind, _, name = error.claim.partition("#")
    return f"The {kind} {name} is already taken. Choose another one."


def _replay_from(snapshot: Snapshot | None, origin: Origin) -> int:
    """Return the version after which to load: before this command's own commit, if any."""
    if snapshot is None:
        return 0
    for first, _last, earlier in snapshot.recent:
        bare: Commit[object] = Commit(snapshot.stream, first, (), earlier)
        if bare.results_from(origin):
            return first - 1
    return snapshot.version
