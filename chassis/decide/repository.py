"""Load a stream, decide on a command and append the events, again after a conflict."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from tenacity import stop_after_attempt, wait_random_exponential

from chassis.decide.decider import Decider, DecisionContext, Rejected
from chassis.decide.streams import Snapshots, Streams
from chassis.log.event_store import (
    ClaimTaken,
    Commit,
    Conflict,
    EventStore,
    Head,
    History,
    Origin,
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


@dataclass(frozen=True, slots=True)
class Decision(Generic[S, E]):
    """Describe the result of a command."""

    history: History[E]
    """The stream including the decision; from its first event unless a snapshot was used."""
    state: S
    """The state at the head of `history`."""
    commit: Commit[E] | None
    """None if there was nothing to do."""
    repeated: bool = False
    """True if an earlier delivery had appended `commit`."""

    @property
    def head(self) -> Head:
        """Return the position that the outcome reports."""
        return self.history.head if self.commit is None else self.commit.head


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
    _oversized: dict[str, int] = field(default_factory=dict)
    """See `Streams.oversized`."""

    async def execute(
        self,
        command: C,
        metadata: Metadata,
        *,
        digest: str | None = None,
    ) -> Decision[S, E]:
        """Carry out a command once, however often it is delivered.

        Args:
            command: The command.
            metadata: Its ids and its actor.
            digest: The hash of the body as its sender computed it; default: of `command`.

        Raises:
            Rejected: the domain rejected the command, or a claim was taken twice in a row.
            CommandIdReused: the id has been used for another body.
            Conflict: other writers won `ATTEMPTS` times; deliver the command again.
        """
        digest = digest or command.body_hash
        taken: dict[str, str] = {}
        return await retry(
            lambda: self._around_claims(command, metadata, digest, taken),
            on=_is_conflict,
            wait=_CONFLICT_BACKOFF,
            stop=stop_after_attempt(ATTEMPTS),
        )

    async def state(self, stream: str) -> S:
        """Return the state at the head of a stream, however long it is.

        Raises:
            UnknownEvent: an event cannot be read.
        """
        return (await self._streams.load(stream)).state

    @property
    def _streams(self) -> Streams[S, E]:
        return Streams(self.store, self.decider, self.snapshots, self._oversized)

    async def _around_claims(
        self, command: C, metadata: Metadata, digest: str, taken: dict[str, str]
    ) -> Decision[S, E]:
        """Attempt the command; after a taken claim attempt it again, adding the claim to `taken`.

        A fresh context may lead to another claim, or the domain may do without it.
        """
        while len(taken) < ATTEMPTS:
            try:
                return await self._attempt(command, metadata, digest, taken)
            except ClaimTaken as error:
                if error.claim in taken:
                    raise Rejected(_taken(error), code="taken") from error
                taken[error.claim] = error.holder
        raise Rejected("No free name was found. Try again.", code="taken")

    async def _attempt(
        self,
        command: C,
        metadata: Metadata,
        digest: str,
        taken: Mapping[str, str],
    ) -> Decision[S, E]:
        context = self.now()
        if taken:
            context = replace(context, taken=frozenset(taken), holders=dict(taken))
        origin = Origin(
            command_id=metadata.command_id,
            body_hash=digest,
            correlation_id=metadata.correlation_id,
            at=context.at_ms,
            causation_id=metadata.causation_id,
            actor=metadata.actor,
        )
        # 1. load
        loaded = await self._streams.load(command.stream, origin)
        failpoint("after_load")
        history = loaded.history
        if (earlier := loaded.earlier or history.commit_from(origin)) is not None:
            return Decision(history, loaded.state, earlier, repeated=True)
        # 2. decide
        events = self.decider.decide(loaded.state, command, context)
        if not events:
            return Decision(history, loaded.state, commit=None)
        # 3. append
        claims = dict.fromkeys(claim for event in events for claim in self.decider.claims(event))
        required = dict.fromkeys(self.decider.requires_unclaimed(loaded.state, events, context))
        unclaimed = tuple(claim for claim in required if claim not in claims)
        failpoint("before_append")
        commit = await self.store.append(
            history.head, events, origin, claims=tuple(claims), unclaimed=unclaimed
        )
        failpoint("after_append")
        state = self.decider.fold(commit.events, loaded.state)
        await self._streams.save_snapshot(loaded, commit, state)
        return Decision(history.with_commit(commit), state, commit)


def _is_conflict(error: BaseException) -> bool:
    return isinstance(error, Conflict)


def _taken(error: ClaimTaken) -> str:
    kind, _, name = error.claim.partition("#")
    return f"The {kind} {name} is already taken. Choose another one."
