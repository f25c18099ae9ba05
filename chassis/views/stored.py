"""Read what a read model holds of one stream, together with the position that it belongs to."""

from collections.abc import Sequence
from typing import Any, Final

from chassis.views.change import Position, Target
from chassis.views.projection import Stored
from chassis.views.scripts import LuaScript

READ_STORED: Final = LuaScript.load("chassis.views", "read_stored.lua")


def read_stored(target: Target[Any], stream: str, fields: Sequence[str]) -> tuple[Any, ...]:
    """Return the Redis command that reads the position of a stream and these fields in one step."""
    at = target.location(stream)
    return READ_STORED.command(
        [at.version_key, at.data_key, at.fingerprint_key],
        [at.version_field, at.fingerprint_field, *fields],
    )


def stored_at(fields: Sequence[str], reply: Sequence[bytes | None]) -> tuple[Position, Stored]:
    """Return the position and the fields that are present in the reply to `read_stored`."""
    version, fingerprint, *values = reply
    present = {f: value for f, value in zip(fields, values, strict=True) if value is not None}
    return Position.stored(version, fingerprint), present
