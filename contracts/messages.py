"""Define the envelope: what every command, event and view has in common."""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.functional_validators import AfterValidator
from pydantic.json_schema import WithJsonSchema

from contracts.addresses import MAX_CHARACTERS, typed_address, verified_address


class Personal:
    """Mark a field as personal data, which later encryption and erasure per person apply to.

    The mark alone changes nothing: the field is stored as it is.
    """


MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that JavaScript and every JSON reader represent exactly."""
LATEST_TIME: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second that dates of most libraries represent; less than any
recent time in milliseconds, which callers send by mistake."""

UnixTime = Annotated[int, Field(ge=0, description="Seconds since 1970-01-01T00:00:00Z.")]
"""A time in an event or a view, without an upper bound: what was stored must stay readable."""
CommandTime = Annotated[UnixTime, Field(le=LATEST_TIME)]
"""A time in a command or a request."""
Safe = Field(le=MAX_SAFE_INTEGER)
"""Bounds an integer in a command or a request that has no smaller bound."""
Count = Annotated[int, Field(ge=0), Safe]
"""How many there are, in a command or a request."""
_ADDRESS_SCHEMA = WithJsonSchema({"type": "string", "format": "email", "maxLength": MAX_CHARACTERS})
EmailAddress = Annotated[str, AfterValidator(typed_address), _ADDRESS_SCHEMA, Personal()]
"""An e-mail address that a person has typed: mail can be sent to it."""
VerifiedAddress = Annotated[str, AfterValidator(verified_address), _ADDRESS_SCHEMA, Personal()]
"""The address of a person who signed up: the user pool has verified it, whatever its form."""
KnownAddress = Annotated[str, Field(json_schema_extra={"format": "email"}), Personal()]
"""An e-mail address in an event or a view. It was validated in the command and is not validated
again: a stored event must stay readable when the rules change."""
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$"),
]
"""An id that is safe in a stream id, a Redis key and an SQS message group id."""
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
"""Makes the text that is hashed: `json.dumps` would make an encoder for each command."""


class Message(BaseModel):
    """Hold immutable data, with camelCase field names in JSON.

    Unknown fields are ignored, so that a reader can be one deployment older than the writer.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,  # a log must not contain an address
    )


class Command(Message):
    """Ask a service to change something: a message in the imperative, which may be rejected.

    Every concrete command class names the service that owns it, usually through the base class of
    its contract module.

    Raises:
        TypeError: when a class is defined that has a `type` but no `service`.
    """

    service: ClassVar[str]
    """The service that decides on the command."""
    excluded_from_hash: ClassVar[frozenset[str]] = frozenset()
    """Fields that the sender adds to what was requested, such as the client's network. A repetition
    of the same command may differ in them."""
    type: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["type"].is_required() and not hasattr(cls, "service"):
            raise TypeError(f"{cls.__name__} declares no service: set `service: ClassVar[str]`")

    @property
    def stream(self) -> str:
        """Return the id of the stream that decides; its commands are handled one by one."""
        raise NotImplementedError

    @property
    def body_hash(self) -> str:
        """Return a digest that distinguishes a repetition from another command with the same id.

        Fields with their default value do not count, so that a field that is added later, with a
        default, does not turn a repetition into another command.
        """
        return self._hash_without(self.excluded_from_hash)

    @property
    def body_hashes(self) -> frozenset[str]:
        """Return all digests of this command, by any build.

        Builds that exclude fewer fields have stored digests that the excluded fields count in.
        """
        return frozenset({self.body_hash, self._hash_without(frozenset())})

    def has_body_hash(self, digest: str) -> bool:
        """Return whether some build computes this digest; nearly always it is this build's own."""
        return digest == self.body_hash or digest in self.body_hashes

    def _hash_without(self, excluded: frozenset[str]) -> str:
        body = self.model_dump(mode="json", exclude_defaults=True, exclude=set(excluded))
        canonical = _CANONICAL.encode(body | {"type": self.type})
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class Event(Message):
    """Record a fact, in the past tense.

    A stored event never changes, so fields are only added. A change that a default value cannot
    bridge raises `schema_version` and brings an upcaster.
    """

    schema_version: ClassVar[int] = 1
    type: str

    @property
    def subject_stream(self) -> str | None:
        """Return the stream that subscribers act on, if it is not the event's own stream.

        It becomes the message group of the announcement: subscribers receive the events of one
        subject in order, and those of different subjects in parallel.
        """
        return None


class View(Message):
    """Show a reader the state of something: stored as the JSON bytes that the gateway serves."""

    # the docstring of a field is its description in the OpenAPI document
    model_config = ConfigDict(use_attribute_docstrings=True)


class Metadata(Message):
    """Describe a command or an event; travels as message attributes."""

    command_id: Identifier
    """Identifies the command forever: a service handles one id once."""
    correlation_id: str
    """Shared by all messages that one request caused."""
    causation_id: str | None = None
    """The event or command that caused this one."""
    actor: str | None = None
    """The sender: a person's subject or a service's client id."""
    traceparent: str | None = None
    """W3C trace context."""


class Position(Message):
    """Point into a stream: after `version` events."""

    stream: str
    version: Annotated[int, Field(ge=0)]


RejectionKind = Literal["invalid", "forbidden", "not_found", "conflict", "gone", "not_implemented"]


class Rejection(Message):
    """Explain why a command was rejected, in words for its sender."""

    kind: RejectionKind
    code: str
    detail: str


class CommandOutcome(View):
    """Report the outcome of a command: stored for a day by command id, and published once."""

    command_id: str
    command: str
    body_hash: str
    """Digest of the command that was handled first under this id."""
    state: Literal["accepted", "rejected"]
    position: Position
    rejection: Rejection | None = None
    actor: str | None = None
    repeated: bool = False
    """An earlier request had sent the command, and it was carried out then."""
