"""Handle a command: decide, append, project, announce, store the outcome.

The message is deleted only when this returns. A crash between two steps leads to a redelivery, and
each step recognises what an earlier delivery has done: SQS redelivery is the outbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from chassis.bus.announcements import Announcer
from chassis.bus.command_counts import COMMANDS, CommandCounts
from chassis.bus.commands import IncomingCommand
from chassis.bus.outcomes import Outcomes
from chassis.decide.decider import Rejected
from chassis.decide.repository import Decision, Repository
from chassis.log.event_store import CommandIdReused, CommitTooLarge, Head
from chassis.resilience.failpoint import failpoint
from chassis.resilience.outage import retry_through_outage
from chassis.views.projector import Projector
from contracts.messages import Command, CommandOutcome, Event, Metadata, Position, Rejection

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

_TOO_LARGE: Final = Rejection(
    kind="invalid",
    code="too_large",
    detail="This request is too large to be stored at once. Split it into smaller ones.",
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CommandHandler(Generic[S, C, E]):
    """Handle the commands of one service."""

    repository: Repository[S, C, E]
    projector: Projector[E]
    announcer: Announcer[E]
    outcomes: Outcomes
    counts: CommandCounts = COMMANDS

    async def handle(self, incoming: IncomingCommand[C]) -> CommandOutcome:
        """Handle a delivered command completely and return its outcome; wait out outages."""
        command, started = incoming.command.type, self.counts.clock()
        try:
            with structlog.contextvars.bound_contextvars(**_log_context(incoming)):
                outcome = await retry_through_outage(lambda: self._once(incoming))
        except BaseException as error:
            self.counts.ended(command, started, error)
            raise
        self.counts.decided(command, started, outcome.rejection)
        return outcome

    async def execute(self, command: C, metadata: Metadata) -> Decision[S, E]:
        """Handle a command that this service gives to itself: decide, append, project, announce.

        Its outcome is not stored, since no caller waits for it.

        Args:
            command: The command.
            metadata: Its ids and its actor.

        Raises:
            Rejected: the domain rejected the command.
        """
        incoming, started = IncomingCommand.internal(command, metadata), self.counts.clock()
        try:
            with structlog.contextvars.bound_contextvars(**_log_context(incoming)):
                decision = await retry_through_outage(lambda: self._execute(incoming))
        except BaseException as error:
            self.counts.ended(command.type, started, error)
            raise
        self.counts.decided(command.type, started)
        return decision

    async def _once(self, incoming: IncomingCommand[C]) -> CommandOutcome:
        failpoint("before_load")
        outcome = await self._stored_outcome(incoming) or await self._decide(incoming)
        stored = await self.outcomes.put(outcome)
        failpoint("after_outcome")
        return stored

    async def _stored_outcome(self, incoming: IncomingCommand[C]) -> CommandOutcome | None:
        """Return the outcome that an earlier delivery stored, which its sender may have read.

        A rejected command left nothing in the log: without this a redelivery might be decided
        differently. A first delivery has no outcome, so it is not looked up.
        """
        if not incoming.redelivered:
            return None
        return await self.outcomes.get(incoming.metadata.command_id)

    async def _decide(self, incoming: IncomingCommand[C]) -> CommandOutcome:
        try:
            decision = await self._execute(incoming)
        except Rejected as rejected:
            log.info("command_rejected", code=rejected.code, because=rejected.detail)
            return _outcome(incoming, Head(incoming.command.stream, 0), rejected.as_message())
        except CommandIdReused as reuse:
            # the sender compares the digests and sees that the command was not handled
            log.warning("command_id_reused", stream=reuse.commit.stream)
            return _outcome(
                incoming, reuse.commit.head, digest=reuse.commit.origin.body_hash, repeated=True
            )
        except CommitTooLarge as error:  # nothing was written, and no repetition makes it smaller
            log.warning("command_too_large", because=str(error))
            return _outcome(incoming, Head(incoming.command.stream, 0), _TOO_LARGE)
        return _outcome(incoming, decision.head, repeated=_by_another_request(decision, incoming))

    async def _execute(self, incoming: IncomingCommand[C]) -> Decision[S, E]:
        decision = await self.repository.execute(
            incoming.command, incoming.metadata, digest=incoming.digest
        )
        await self._publish(decision, incoming.metadata.traceparent)
        log.info(
            "command_accepted",
            version=decision.head.version,
            repeated=decision.repeated,
            events=[event.type for event in decision.commit.events] if decision.commit else [],
        )
        return decision

    async def _publish(self, decision: Decision[S, E], traceparent: str | None) -> None:
        """Update read models and inform subscribers, before the sender learns the outcome."""
        await self.projector.project(decision.history)
        failpoint("after_project")
        if decision.commit is not None:
            await self.announcer.announce(decision.commit, traceparent)
        failpoint("after_announce")


def _log_context(incoming: IncomingCommand[C]) -> Mapping[str, str]:
    return {
        "command": incoming.command.type,
        "command_id": incoming.metadata.command_id,
        "stream": incoming.command.stream,
        "correlation_id": incoming.metadata.correlation_id,
    }


def _by_another_request(decision: Decision[S, E], incoming: IncomingCommand[C]) -> bool:
    """Return whether the command was carried out for an earlier request, not a redelivery."""
    if not decision.repeated or decision.commit is None:
        return False
    return decision.commit.origin.correlation_id != incoming.metadata.correlation_id


def _outcome(
    incoming: IncomingCommand[C],
    head: Head,
    rejection: Rejection | None = None,
    digest: str | None = None,
    *,
    repeated: bool = False,
) -> CommandOutcome:
    return CommandOutcome(
        command_id=incoming.metadata.command_id,
        command=incoming.command.type,
        body_hash=digest or incoming.digest,
        state="accepted" if rejection is None else "rejected",
        position=Position(stream=head.stream, version=head.version),
        rejection=rejection,
        actor=incoming.metadata.actor,
        repeated=repeated,
    )
