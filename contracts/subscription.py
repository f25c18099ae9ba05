"""Declare which events a service subscribes to.

The subscriber declares its subscription in its contract module and adds it to
`contracts/registry.py`, where publishers find it. No publisher lists its subscribers.
"""

from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field

from contracts.messages import Event


@dataclass(frozen=True, slots=True)
class Subscription:
    """Subscribe a service to events, its own or those of other services."""

    service: str
    """The subscriber."""
    events: Any
    """One event class, or a union of event classes."""

    @property
    def event_types(self) -> tuple[type[Event], ...]:
        """Return the event classes, in the order of the union."""
        return members_of(self.events)

    @property
    def tagged(self) -> Any:
        """Return the events as a type that pydantic parses by the field `type`."""
        types = self.event_types
        return (
            self.events if len(types) == 1 else Annotated[self.events, Field(discriminator="type")]
        )


def members_of(union: Any) -> tuple[type[Any], ...]:
    """Return the classes of a union, nested and annotated unions included, without duplicates."""
    if get_origin(union) is Annotated:
        return members_of(get_args(union)[0])
    if get_origin(union) in (Union, UnionType):
        return tuple(dict.fromkeys(cls for part in get_args(union) for cls in members_of(part)))
    return (union,)
