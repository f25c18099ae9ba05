"""Turn commands into SQS messages and messages into commands."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, Self, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from contracts.messages import Command, Metadata
from contracts.subscription import members_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faststream_sqs import SQSMessage

C = TypeVar("C", bound=Command)

# names of message attributes
COMMAND_ID = "command-id"
CAUSATION_ID = "causation-id"
ACTOR = "actor"
TRACEPARENT = "traceparent"
BODY_HASH = "body-hash"
REPEATED = "repeated"
"""Present if the sender may have sent the command before."""


_UNKNOWN_VALUES: Final = frozenset({"literal_error", "enum", "union_tag_invalid"})
"""Kinds of validation errors that a value added by a newer version causes."""


class UnreadableMessage(Exception):
    """A message that is not a command or event of this service, however often it is redelivered."""


class UnknownMessage(Exception):
    """A well-formed command or event that a newer version of this service may know."""


class Publisher(Protocol):
    """Publish messages: the part of `SQSBroker` that commands and announcements need."""

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
    """Return the name of the FIFO queue that holds a service's commands."""
    return f"{stack}-{service}-commands.fifo"


@dataclass(frozen=True, slots=True)
class CommandSender:
    """Send commands to the services that own them."""

    publisher: Publisher
    stack: str
    """Prefix of the names of the queues."""

    async def send(
        self,
        command: Command,
        metadata: Metadata,
        *,
        repeated: bool = False,
        deduplication_id: str | None = None,
    ) -> str:
        """Publish a command and return the digest of its body.

        One message group per stream keeps the commands of a stream in order and lets streams run
        in parallel. Each call is delivered, also with a command id that was sent before: its
        service recognises the id in its log, and stores the outcome again if it was lost. Only
        the repetitions that the client of SQS makes within this call are dropped by SQS.

        Args:
            command: The command.
            metadata: Its ids and its actor.
            repeated: The id may have been sent before; its service looks its outcome up first.
            deduplication_id: Sends with the same value within five minutes count as one; default:
                a value that no other send has.
        """
        digest = command.body_hash
        await self.publisher.publish(
            command.model_dump(mode="json"),
            commands_queue(self.stack, command.service),
            headers=message_headers(metadata)
            | {COMMAND_ID: metadata.command_id, BODY_HASH: digest}
            | ({REPEATED: "1"} if repeated else {}),
            correlation_id=metadata.correlation_id,
            group_id=command.stream,
            deduplication_id=deduplication_id or os.urandom(16).hex(),
        )
        return digest


@dataclass(frozen=True, slots=True)
class IncomingCommand(Generic[C]):
    """Hold a command that is to be handled, from a message or from inside the service."""

    command: C
    metadata: Metadata
    digest: str
    """Hash of the body as its sender computed it."""
    redelivered: bool
    """It may have been handled before, after an earlier delivery or send."""

    @classmethod
    def internal(cls, command: C, metadata: Metadata, *, redelivered: bool = False) -> Self:
        """Wrap a command that the service gives to itself, without a message.

        `redelivered` says that it may have been handled before: its outcome is looked up first.
        """
        return cls(command, metadata, command.body_hash, redelivered)


class CommandReader(Generic[C]):
    """Parse messages as the commands of one service."""

    def __init__(self, commands: Any) -> None:
        """Create a reader of `commands`, a union of command classes."""
        self._adapter: TypeAdapter[C] = TypeAdapter(commands)
        self._types = type_tags(commands)

    def read(self, message: "SQSMessage") -> IncomingCommand[C]:
        """Return the command in a message.

        Raises:
            UnreadableMessage: it is not one of the commands, or its id is missing.
            UnknownMessage: it is a command of a type that this version does not know.
        """
        require_known(message, self._types, COMMAND_ID)
        command = parse(self._adapter, message)
        return IncomingCommand(
            command=command,
            metadata=read_metadata(message, message.headers[COMMAND_ID], CAUSATION_ID),
            digest=message.headers.get(BODY_HASH) or command.body_hash,
            redelivered=message.receive_count > 1 or REPEATED in message.headers,
        )


def type_tags(messages: Any) -> frozenset[str]:
    """Return the type tags of a union of commands or events."""
    return frozenset(cls.model_fields["type"].default for cls in members_of(messages))


def require_known(message: "SQSMessage", types: frozenset[str], id_header: str) -> None:
    """Verify that a message has its id and a known type, before it is parsed completely.

    Raises:
        UnreadableMessage: it is no JSON object with a type, or its id is missing.
        UnknownMessage: its type is not one of `types`.
    """
    try:
        body = orjson.loads(message.body)
    except orjson.JSONDecodeError as error:
        raise UnreadableMessage(f"body: {error}") from error
    tag = body.get("type") if isinstance(body, dict) else None
    if not isinstance(tag, str):
        raise UnreadableMessage("type: the body is no JSON object with a type")
    if id_header not in message.headers:
        raise UnreadableMessage(f"the message attribute {id_header} is missing")
    if tag not in types:
        raise UnknownMessage(f"{tag[:80]} is not known to this version of the service")


def parse(adapter: TypeAdapter[Any], message: "SQSMessage") -> Any:
    """Parse the body of a message.

    Raises:
        UnreadableMessage: the body does not fit; the text names the field.
        UnknownMessage: it fits except for values of fields with a fixed set of them, to which a
            newer version may have added these.
    """
    try:
        return adapter.validate_json(message.body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        where = ".".join(str(part) for part in errors[0]["loc"]) or "body"
        newer = all(each["type"] in _UNKNOWN_VALUES for each in errors)
        # without its cause, which shows the input: the log must not contain an address
        problem = UnknownMessage if newer else UnreadableMessage
        raise problem(f"{where}: {errors[0]['msg']}") from None


def message_headers(metadata: Metadata) -> dict[str, str]:
    """Return the message attributes for the optional parts of the metadata."""
    optional: Mapping[str, str | None] = {
        CAUSATION_ID: metadata.causation_id,
        ACTOR: metadata.actor,
        TRACEPARENT: metadata.traceparent,
    }
    return {name: value for name, value in optional.items() if value is not None}


def read_metadata(message: "SQSMessage", command_id: str, cause: str) -> Metadata:
    """Return the metadata in the attributes of a message; `cause` names that of the causation id.

    Raises:
        UnreadableMessage: an attribute is malformed.
    """
    try:
        return Metadata(
            command_id=command_id,
            correlation_id=message.correlation_id or command_id,
            causation_id=message.headers.get(cause),
            actor=message.headers.get(ACTOR),
            traceparent=message.headers.get(TRACEPARENT),
        )
    except ValidationError as error:
        raise UnreadableMessage(f"attributes: {error.errors()[0]['msg']}") from error
