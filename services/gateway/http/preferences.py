"""What a caller may wish for in headers: how long to wait, and which request this repeats."""

import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import istr

from gateway.http.problems import malformed
from gateway.http.requests import single_header

X_MIN_POSITION: Final = istr("X-Min-Position")
MAX_KEY_CHARACTERS: Final = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARACTERS}}}", re.ASCII)
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', re.ASCII)
_VERSION = re.compile(r"\d{1,15}", re.ASCII)
_WAIT = re.compile(r"wait=(\d{1,4})", re.ASCII)


def idempotency_key(request: web.Request) -> str | None:
    """`Idempotency-Key: "abc"` (a structured-field string, as the IETF draft has it) or bare.

    Both spellings are the same key.

    Raises:
        Problem: 400 if it is empty, too long, or has other than printable ASCII in it.
    """
    raw = single_header(request, "Idempotency-Key")
    if raw is None:
        return None
    quoted = _QUOTED.fullmatch(raw)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else raw
    if (quoted is None and '"' in key) or not _acceptable(key, quoted=quoted is not None):
        raise malformed(
            f"Idempotency-Key takes 1 to {MAX_KEY_CHARACTERS} printable ASCII characters, "
            "in double quotes or without blanks",
            code="invalid_idempotency_key",
        )
    return key


def _acceptable(key: str, *, quoted: bool) -> bool:
    return _KEY.fullmatch(key.replace(" ", "_") if quoted else key) is not None


@dataclass(frozen=True, slots=True)
class Preference:
    """`Prefer` (RFC 7240), as far as it is honoured."""

    wait: float
    """Seconds."""
    applied: str | None = None
    """For `Preference-Applied`."""


def preference(request: web.Request, *, usual: float, most: float) -> Preference:
    """`respond-async` asks not to wait, `wait=n` to wait up to n seconds; others are ignored."""
    wishes = [wish.strip().lower() for wish in request.headers.get("Prefer", "").split(",")]
    for wish in wishes:
        if (wait := _WAIT.fullmatch(wish)) is not None:
            seconds = min(float(wait[1]), most)
            return Preference(seconds, f"wait={seconds:g}")
    if "respond-async" in wishes:
        return Preference(0.0, "respond-async")
    return Preference(usual)


def minimum_position(request: web.Request, stream: str) -> int:
    """The version in `X-Min-Position: <stream>@<version>`, as `X-Position` gave it; 0 without.

    Raises:
        Problem: 400 if it is no position in this stream.
    """
    raw = single_header(request, X_MIN_POSITION)
    if raw is None:
        return 0
    where, _, version = raw.rpartition("@")
    if where != stream or _VERSION.fullmatch(version) is None:
        raise malformed("X-Min-Position takes the X-Position of your own last change")
    return int(version)
