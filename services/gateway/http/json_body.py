"""Parse JSON strictly, and explain in words of its sender what is wrong with it."""

import codecs
import json
from collections.abc import Mapping
from math import isinf
from typing import Any, Final

from cognito_jwt import is_nested_deeper
from gateway.http.problems import Problem, malformed, printable

MAX_NESTING: Final = 16
"""How many objects and lists may contain one another."""
_FAULTS: Final[Mapping[str, str]] = {
    "Expecting value": "a value is missing",
    "Expecting property name": "a name in double quotes is missing",
    "Expecting ':'": "a colon is missing",
    "Expecting ','": "a comma is missing",
    "Illegal trailing comma": "there is a comma too many",
    "Extra data": "there is something after its end",
    "Unterminated string": "a text has no closing quotes",
    "Invalid control character": (
        "a text contains a line break, a tab or another control character; write it as \\n, \\t or "
        "\\u followed by its number"
    ),
    "Invalid \\escape": "a text contains a backslash that is not part of an escape sequence",
    "Invalid \\uXXXX": "a text contains \\u without four hexadecimal digits",
}
"""Beginning of the parser's message -> wording for users."""


class _Unacceptable(ValueError):
    """The text is JSON, but has a feature that readers disagree about; the message is for users."""


def parse_json(raw: bytes) -> object:
    """Parse UTF-8 JSON without duplicate names, NaN, lone surrogates or deep nesting.

    Raises:
        Problem: 400, with what is wrong and where.
    """
    if is_nested_deeper(raw, MAX_NESTING):
        raise malformed(f"The body is nested too deeply: at most {MAX_NESTING} levels are allowed.")
    try:
        return _parsed(_decoded(raw))
    except json.JSONDecodeError as error:
        raise _not_json(error) from error
    except _Unacceptable as error:
        raise malformed(str(error)) from error
    except ValueError as error:  # Python limits the digits of integers
        raise malformed("A number in the body has too many digits.") from error


def _decoded(raw: bytes) -> str:
    if raw.startswith(codecs.BOM_UTF8):
        raise _Unacceptable(
            "The body begins with a byte order mark (BOM). Send it as UTF-8 without BOM."
        )
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or _is_wide(raw):
        raise _Unacceptable("The body is encoded in UTF-16 or UTF-32. Send it as UTF-8.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Unacceptable(f"The body is not UTF-8 text: see byte {error.start + 1}.") from error


def _is_wide(raw: bytes) -> bool:
    """Return whether ASCII characters take two or four bytes."""
    return b"\0\0" in (raw[0:3:2], raw[1:4:2])


def _parsed(text: str) -> object:
    value = json.loads(
        text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
    )
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _Unacceptable(
            "A text in the body contains half of a character (a lone UTF-16 surrogate, such as "
            "\\ud800). Send complete characters."
        ) from error
    return value


def _not_json(error: json.JSONDecodeError) -> Problem:
    faults = (words for begin, words in _FAULTS.items() if error.msg.startswith(begin))
    fault = next(faults, "it cannot be read")
    return malformed(f"The body is not JSON: {fault} (line {error.lineno}, column {error.colno}).")


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    value: dict[str, Any] = {}
    for name, member in pairs:
        if name in value:
            raise _Unacceptable(f"The body has a duplicate name: {printable(name)}.")
        value[name] = member
    return value


def _no_constant(name: str) -> Any:
    raise _Unacceptable(f"The body contains {name}, which is not a JSON number.")


def _finite(text: str) -> float:
    if isinf(number := float(text)):
        raise _Unacceptable("A number in the body is too large.")
    return number
