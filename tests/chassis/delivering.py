"""Deliver commands of counters, and record what is published."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from chassis.bus.commands import IncomingCommand
from contracts.messages import Metadata


@dataclass
class PublisherInMemory:
    """Records published messages."""

    sent: list[dict[str, Any]] = field(default_factory=list)

    async def publish(self, message: Any = None, queue: str = "", **options: Any) -> None:
        self.sent.append({"message": message, "queue": queue, **options})


def incoming(command: Any, command_id: str | None = None) -> IncomingCommand[Any]:
    """Return a command as its first delivery."""
    metadata = Metadata(
        command_id=command_id or str(uuid4()), correlation_id="correlation", actor="alice"
    )
    return IncomingCommand.internal(command, metadata)
