"""Read the headers by which callers control a request: Idempotency-Key, Prefer, X-Min-Position."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import istr

from gateway.http.problems import malformed
from gateway.http.requests import single_header

X_MIN_POSITION: Final = istr("X-Min-Position")
IDEMPOTENCY_KEY: Final = istr("Idempotency-Key")
MAX_KEY_CHARACTERS: Final = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARACTERS}}}", re.ASCII)
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', re.ASCII)
_VERSION = re.compile(r"\d{1,15}", re.ASCII)
_SECONDS = re.compile(r"\d+", re.ASCII)
_LIST_MEMBER = re.compile(r'(?:[^",]++|"(?:[^"\\]++|\\.)*+"?)++', re.DOTALL)
"""A member of a list that is separated by commas; those in quotes separate nothing."""
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PREFERENCE = re.compile(
    rf'[ \t]*({_WORD})(?:[ \t]*=[ \t]*(?:({_WORD})|"((?:[^"\\]++|\\.)*+)"))?[ \t]*(?:;.*)?',
    re.DOTALL,
)


def idempotency_key(request: web.Request) -> str | None:
    """Return the Idempotency-Key; None if there is none.

    `"abc"` (a structured-field string, as in the IETF draft) and `abc` are the same key.

    Raises:
        Problem: 400 if it is empty, too long, or has characters other than printable ASCII.
    """
    raw = single_header(request, IDEMPOTENCY_KEY)
    if raw is None:
        return None
    quoted = _QUOTED.fullmatch(raw)
    key = _unescaped(quoted[1]) if quoted else raw
    if (quoted is None and '"' in key) or not _acceptable(key, quoted=quoted is not None):
        raise malformed(
            f"An Idempotency-Key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, "
            "in double quotes or without spaces.",
            code="invalid_idempotency_key",
        )
    return key


def _acceptable(key: str, *, quoted: bool) -> bool:
    return _KEY.fullmatch(key.replace(" ", "_") if quoted else key) is not None


@dataclass(frozen=True, slots=True)
class Preference:
    """Represent the parts of `Prefer` (RFC 7240) that are honoured."""

    wait: float
    """Seconds to wait for the result."""
    applied: str | None = None
    """Value of `Preference-Applied`; None if the caller expressed no known preference."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers that tell the caller which preference was applied."""
        return {} if self.applied is None else {"Preference-Applied": self.applied}


@dataclass(frozen=True, slots=True)
class WaitTimes:
    """Configure how long requests wait for a result, in seconds."""

    default: float
    maximum: float
    """Upper limit of `Prefer: wait=n`."""

    def preference(self, request: web.Request, *, default: float | None = None) -> Preference:
        """Return how long a request waits: `respond-async` not at all, `wait=n` n seconds."""
        stated = preferences(request.headers.getall("Prefer", ()))
        wait = stated.get("wait")
        if wait is not None and _SECONDS.fullmatch(wait):
            seconds = min(float(wait), self.maximum)
            return Preference(seconds, f"wait={seconds:g}")
        if "respond-async" in stated:
            return Preference(0.0, "respond-async")
        return Preference(self.default if default is None else default)


def preferences(lines: Sequence[str]) -> dict[str, str]:
    """Return the preferences in the lines of `Prefer` by their names in lower case (RFC 7240).

    The first of several with one name counts. Parameters, and what is malformed, are ignored.
    """
    found: dict[str, str] = {}
    for each in _LIST_MEMBER.findall(",".join(lines)):
        if (parsed := _PREFERENCE.fullmatch(each)) is not None:
            name, token, quoted = parsed.groups()
            value = token if quoted is None else _unescaped(quoted)
            found.setdefault(name.lower(), value or "")
    return found


def _unescaped(quoted: str) -> str:
    return re.sub(r"\\(.)", r"\1", quoted)


def minimum_version(request: web.Request, stream: str) -> int:
    """Return the version in `X-Min-Position: <stream>@<version>`; 0 if the header is absent.

    Raises:
        Problem: 400 if it is not a position in this stream.
    """
    raw = single_header(request, X_MIN_POSITION)
    if raw is None:
        return 0
    where, _, version = raw.rpartition("@")
    if where != stream or _VERSION.fullmatch(version) is None:
        raise malformed("X-Min-Position must be the X-Position of your own last change.")
    return int(version)
