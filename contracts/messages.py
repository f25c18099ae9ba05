"""The envelope: what every command, event and view has in common."""

import hashlib
import json
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field
from pydantic.alias_generators import to_camel
from pydantic.functional_validators import AfterValidator


class Personal:
    """Marks a field as personal data: it may be encrypted per person and erased with the key."""


UnixTime = Annotated[int, Field(ge=0, description="Seconds since 1970-01-01T00:00:00Z.")]
EmailAddress = Annotated[EmailStr, Field(max_length=254), AfterValidator(str.lower), Personal()]
KnownAddress = Annotated[str, Field(json_schema_extra={"format": "email"}), Personal()]
"""An address in an event or a view: it was checked when its command came in. What is stored must
stay readable whatever later rules say of it, and costs no second look."""
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$"),
]
"""A name that is safe in a stream id, a Redis key and an SQS group id."""


class Message(BaseModel):
    """Immutable data with camelCase names on the wire; unknown fields are ignored.

    A reader that is one deployment older than the writer must go on reading.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )


class Command(Message):
    """A wish, in the imperative. `stream` names the one stream that decides on it."""

    circumstances: ClassVar[frozenset[str]] = frozenset()
    """Fields that tell how the wish came, not what is wished: a repetition may differ in them."""
    type: str

    @property
    def stream(self) -> str:
        """The stream that decides: its commands are handled one after the other."""
        raise NotImplementedError

    @property
    def body_hash(self) -> str:
        """A digest by which a repeated command is told from another one with the same id.

        Fields at their defaults do not count: a field that is added later, with a default, must
        not turn a repeated command into another one.
        """
        body = self.model_dump(
            mode="json", exclude_defaults=True, exclude=set(self.circumstances)
        ) | {"type": self.type}
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class Event(Message):
    """A fact, in the past tense. Once stored it never changes, so fields are only added.

    A change that a default cannot bridge raises `schema_version` and brings an upcaster.
    """

    schema_version: ClassVar[int] = 1
    type: str

    @property
    def concerns(self) -> str | None:
        """The stream that listeners go on with, if it is another one than the event stands in.

        Announcements that concern one stream are heard in their order, and those that concern
        different ones side by side.
        """
        return None


class View(Message):
    """What a reader sees: stored as the JSON bytes that the gateway serves."""

    # what is said of a field here is told in the description of the API
    model_config = ConfigDict(use_attribute_docstrings=True)


class Metadata(Message):
    """What travels beside a command or an event, as message attributes."""

    command_id: Identifier
    """Names the command for ever: the same id is carried out once."""
    correlation_id: str
    """Shared by everything that one request set in motion."""
    causation_id: str | None = None
    """The event or command that led to this one."""
    actor: str | None = None
    """Who asked: a person's subject or a service's client id."""
    traceparent: str | None = None
    """W3C trace context."""


class Position(Message):
    """A place in a stream: after `version` events."""

    stream: str
    version: Annotated[int, Field(ge=0)]


RejectionKind = Literal["invalid", "not_found", "conflict", "gone", "not_implemented"]


class Rejection(Message):
    """Why a command was refused, in words that its sender may read."""

    kind: RejectionKind
    code: str
    detail: str


class CommandOutcome(View):
    """What became of a command: kept for a day under its id and announced once it is known."""

    command_id: str
    command: str
    body_hash: str
    """Digest of the command as it was first carried out; another body is another command."""
    state: Literal["accepted", "rejected"]
    position: Position
    rejection: Rejection | None = None
    actor: str | None = None
