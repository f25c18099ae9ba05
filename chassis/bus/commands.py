"""Commands as messages: what goes into body, attributes and FIFO group."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from contracts.messages import Command, Metadata

if TYPE_CHECKING:
    from faststream_sqs import SQSMessage

C = TypeVar("C", bound=Command)

COMMAND_ID = "command-id"
CAUSATION_ID = "causation-id"
ACTOR = "actor"
TRACEPARENT = "traceparent"
BODY_HASH = "body-hash"


class Unreadable(Exception):
    """A message that no redelivery can turn into a command or an event of ours."""


class Publisher(Protocol):
    """The part of SQSBroker that is needed here."""

    async def publish(
        self,
        message: Any = None,
        queue: str = "",
        *,
        headers: dict[str, Any] | None = None,
        correlation_id: str | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
    ) -> Any: ...


def commands_queue(stack: str, service: str) -> str:
    return f"{stack}-{service}-commands.fifo"


@dataclass(frozen=True, slots=True)
class CommandSender:
    """Send commands to the services that own them."""

    publisher: Publisher
    stack: str
    """Prefix of the names of the queues."""

    async def send(self, command: Command, metadata: Metadata) -> str:
        """Publish a command and return the digest of its body.

        One message group per stream keeps the commands of a stream in order and lets streams run
        in parallel. SQS drops a command id that it received within the last five minutes.
        """
        digest = command.body_hash
        await self.publisher.publish(
            command.model_dump(mode="json"),
            commands_queue(self.stack, command.service),
            headers=message_headers(metadata)
            | {COMMAND_ID: metadata.command_id, BODY_HASH: digest},
            correlation_id=metadata.correlation_id,
            group_id=command.stream,
            deduplication_id=metadata.command_id,
        )
        return digest


@dataclass(frozen=True, slots=True)
class IncomingCommand(Generic[C]):
    command: C
    metadata: Metadata
    digest: str
    redelivered: bool


class CommandReader(Generic[C]):
    """Turns messages into one service's commands."""

    def __init__(self, commands: Any) -> None:
        self._adapter: TypeAdapter[C] = TypeAdapter(commands)

    def read(self, message: "SQSMessage") -> IncomingCommand[C]:
        """The command in a message.

        Raises:
            Unreadable: it is none of this service's commands, or it lacks its id.
        """
        command = parse(self._adapter, message)
        if COMMAND_ID not in message.headers:
            raise Unreadable(f"the message attribute {COMMAND_ID} is missing")
        return IncomingCommand(
            command=command,
            metadata=read_metadata(message, message.headers[COMMAND_ID], CAUSATION_ID),
            digest=message.headers.get(BODY_HASH) or command.body_hash,
            redelivered=message.receive_count > 1,
        )


def parse(adapter: TypeAdapter[Any], message: "SQSMessage") -> Any:
    try:
        return adapter.validate_json(message.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise Unreadable(f"{where}: {first['msg']}") from error


def message_headers(metadata: Metadata) -> dict[str, str]:
    optional = {
        CAUSATION_ID: metadata.causation_id,
        ACTOR: metadata.actor,
        TRACEPARENT: metadata.traceparent,
    }
    return {name: value for name, value in optional.items() if value is not None}


def read_metadata(message: "SQSMessage", command_id: str, cause: str) -> Metadata:
    try:
        return Metadata(
            command_id=command_id,
            correlation_id=message.correlation_id or command_id,
            causation_id=message.headers.get(cause),
            actor=message.headers.get(ACTOR),
            traceparent=message.headers.get(TRACEPARENT),
        )
    except ValidationError as error:
        raise Unreadable(f"attributes: {error.errors()[0]['msg']}") from error
