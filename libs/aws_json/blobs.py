"""Find the binary values of a reply by botocore's model, and decode them."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any, Final

Decode = Callable[[Any], Any]
"""Decodes the binary values inside a parsed value, in place; returns the value."""


class Blobs:
    """Decode the binary values of one kind of reply.

    Args:
        shape: botocore's shape of the reply; None if it is empty.
    """

    def __init__(self, shape: Any) -> None:
        self._structures: dict[str, dict[str, Decode]] = {}
        self._names: set[str] = set()
        self._decode: Final = None if shape is None else self._decoder_of(shape)
        self._keys: Final = tuple(f'"{name}"'.encode() for name in self._names)

    def decode(self, reply: Any, body: bytes) -> None:
        """Replace the base64 texts of a reply, parsed from `body`, by bytes."""
        if self._decode is not None and any(key in body for key in self._keys):
            self._decode(reply)

    def _decoder_of(self, shape: Any) -> Decode | None:
        match shape.type_name:
            case "blob":
                return b64decode
            case "list":
                return _elements(self._decoder_of(shape.member), enumerate)
            case "map":
                return _elements(self._decoder_of(shape.value), dict.items)
            case "structure":
                return self._structure(shape)
            case _:
                return None

    def _structure(self, shape: Any) -> Decode | None:
        if (known := self._structures.get(shape.name)) is not None:
            return _members(known)  # a shape may contain itself
        decoders = self._structures[shape.name] = {}
        for name, member in shape.members.items():
            if (decode := self._decoder_of(member)) is not None:
                decoders[name] = decode
            if _is_binary(member):
                self._names.add(name)
        return _members(decoders) if decoders else None


def _is_binary(shape: Any) -> bool:
    return bool(
        shape.type_name == "blob"
        or (shape.type_name == "list" and shape.member.type_name == "blob")
    )


def _elements(decode: Decode | None, pairs: Callable[[Any], Any]) -> Decode | None:
    """Return a function that decodes each element of a list or a map."""
    if decode is None:
        return None

    def decode_each(values: Any) -> Any:
        for place, value in pairs(values):
            values[place] = decode(value)
        return values

    return decode_each


def _members(decoders: dict[str, Decode]) -> Decode:
    """Return a function that decodes those members of a structure that hold binary values."""

    def decode_members(structure: Any) -> Any:
        for name, value in structure.items():
            if name in decoders and value is not None:
                structure[name] = decoders[name](value)
        return structure

    return decode_members
