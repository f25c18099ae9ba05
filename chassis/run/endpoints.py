"""Read the endpoints of some services from botocore's list, without holding all of it.

The list has 1.2 MB of JSON, which take 6 MB once decoded, and a process that has held them keeps
the memory. Here one service after the other is decoded.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from aiobotocore.session import AioSession
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

_DECODER: Final = json.JSONDecoder()
_BETWEEN: Final = re.compile(r"[\s,:]*")
"""What separates the values of JSON."""

Reader = Callable[[str, int], tuple[Any, int]]
"""Reads the value at a position; returns it with where it ends."""


def keep_endpoints(session: AioSession, services: Collection[str]) -> None:
    """Let a session know only the endpoints of `services`, by the prefix of their hosts."""

    def resolver() -> EndpointResolver:
        loader = create_loader(session.get_config_variable("data_path"))
        paths = (Path(folder) / "endpoints.json" for folder in loader.search_paths)
        path = next(path for path in paths if path.is_file())
        found = read_endpoints(path.read_text(encoding="utf-8"), services)
        return EndpointResolver(found, uses_builtin_data=loader.is_builtin_path(str(path)))

    session._internal_components.lazy_register_component("endpoint_resolver", resolver)  # noqa: SLF001  the way to replace it


def read_endpoints(text: str, services: Collection[str]) -> dict[str, Any]:
    """Return the list in `text` with those of `services` only."""

    def chosen(text: str, at: int) -> tuple[Any, int]:
        return _object(text, at, {}, keep=services)

    def partition(text: str, at: int) -> tuple[Any, int]:
        return _object(text, at, {"services": chosen})

    return _object(text, 0, {"partitions": lambda text, at: _array(text, at, partition)})[0]


def _object(
    text: str,
    at: int,
    readers: Mapping[str, Reader],
    keep: Collection[str] | None = None,
) -> tuple[dict[str, Any], int]:
    """Read the object at `at` member by member; return it with where it ends."""
    found: dict[str, Any] = {}
    at = _next(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        value, at = readers.get(name, _DECODER.raw_decode)(text, _next(text, at))
        if keep is None or name in keep:
            found[name] = value
        at = _next(text, at)
    return found, at + 1


def _array(text: str, at: int, read: Reader) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _next(text, at + 1)
    while text[at] != "]":
        value, at = read(text, at)
        found.append(value)
        at = _next(text, at)
    return found, at + 1


def _next(text: str, at: int) -> int:
    """Return where the next value or closing bracket is."""
    match = _BETWEEN.match(text, at)
    assert match is not None  # noqa: S101  it matches the empty string
    return match.end()
