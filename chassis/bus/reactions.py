"""React to events with commands on the service's own streams."""

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from chassis.bus.announcements import IncomingEvent
from chassis.bus.command_handler import CommandHandler
from chassis.bus.commands import IncomingCommand
from contracts.messages import Command, Event, Metadata

C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)

_FURTHER_COMMANDS: Final = uuid.UUID("e2a4a8d6-9f1e-5d0c-8b5e-2f6d1a7f0c12")


def reaction(
    handler: CommandHandler[Any, C, Any], commands_for: Callable[[E], Iterable[C]]
) -> Callable[[IncomingEvent[E]], Awaitable[None]]:
    """Return an event handler that handles the commands that `commands_for` derives from an event.

    A command's id follows from the event's id and the command's place, so that a redelivered event
    repeats commands that the stream recognises.
    """

    async def react(incoming: IncomingEvent[E]) -> None:
        for place, command in enumerate(commands_for(incoming.event)):
            metadata = metadata_for(incoming.metadata, place)
            await handler.handle(
                IncomingCommand.internal(command, metadata, redelivered=incoming.redelivered)
            )

    return react


def metadata_for(metadata: Metadata, place: int) -> Metadata:
    """Return the metadata of the command at a place, counted from 0, of one event's commands."""
    if place == 0:
        return metadata
    command_id = str(uuid.uuid5(_FURTHER_COMMANDS, f"{metadata.command_id}/{place}"))
    return metadata.model_copy(update={"command_id": command_id})
