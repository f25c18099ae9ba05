"""Classify the errors that JSON-RPC providers send: few of them say something about the call.

There is no standard: one condition has another code and another text at every provider, and comes
with HTTP status 200, 4xx or 5xx. Texts are matched before codes, because providers use one code for
several conditions (-32005 is a rate limit at one and a limit of results at another).
"""

import re
from enum import Enum
from typing import Any, Final

TOO_LARGE: Final = -32_097
"""Our own error code: the response has too many bytes to read, or did not arrive in time."""
REVERTED: Final = 3
"""Error code of a call that the contract reverted."""
LOGS: Final = "eth_getLogs"


class RpcError(Exception):
    """Report that the endpoint understood the call and rejected it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message[:300]}")
        self.code, self.message = code, message


class Meaning(Enum):
    """Say what an error is about."""

    REVERT = "the contract reverted, which is the result of the call"
    RATE = "too many calls, or a quota is used up: wait, or call another endpoint"
    SIZE = "too many blocks, results, bytes, calls or seconds: ask for less"
    UNSUPPORTED = "this endpoint does not offer the method or its parameters"
    BEHIND = "this endpoint lacks the block or its state, or fails for a moment"


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_REVERT_TEXT = _any_of(
    r"revert", r"invalid opcode", r"bad instruction", r"(?:invalid|bad) jump", r"vm exception",
    r"stack (?:under|over)flow", r"vm execution error",
)  # fmt: skip
_LOGS_TEXT = _any_of(
    r"\bblocks?\b", r"range", r"results", r"response size", r"too (?:large|big|wide|many logs)",
    r"^limit exceeded",
)  # fmt: skip
_RATE_TEXT = _any_of(
    r"rate.?limit", r"rate exceeded", r"request rate", r"too many (?:concurrent )?requests",
    r"(?:requests?|calls?|credits?|units?)\W{0,3}(?:per|/)", r"limit\w*\W.{0,20}(?:per|/)\W?s",
    r"credits? limit", r"request limit", r"compute units?", r"throughput", r"throttl", r"quota",
    r"capacity (?:limit|exceeded)", r"daily (?:request|limit)", r"monthly", r"usage limit",
    r"(?:out of|insufficient) (?:cu\b|credits)", r"(?:reached|exceed\w*).{0,20}\bplan\b",
    r"app is inactive", r"payment required", r"call limit",
)  # fmt: skip
_BEHIND_TEXT = _any_of(
    r"header not found", r"missing trie", r"unknown block\b(?! tag)", r"pruned", r"historical",
    r"(?:block|state|header|data|resource).{0,30}(?:not found|not available|unavailable|missing)",
    r"archive", r"ancient", r"could not find", r"internal", r"upstream", r"unhealthy",
    r"no (?:\w+ )?(?:backend|upstream|response|provider)", r"bad gateway", r"unavailable",
    r"not (?:yet )?(?:available|synced)", r"temporar",
)  # fmt: skip
_SIZE_TEXT = _any_of(
    r"batch", r"too (?:large|big|many|wide|long|much)", r"response size", r"size limit",
    r"max(?:imum)? (?:results|response|block|size)", r"exceeds? (?:the |max|limit)",
    r"limited to", r"more than \d", r"at most \d", r"time.?out", r"timed out",
    r"deadline", r"canceled", r"out of gas", r"gas (?:required|limit|cap)",
)  # fmt: skip
_UNSUPPORTED_TEXT = _any_of(
    r"method.{0,60}(?:not|unsupported|disabled)", r"not supported", r"unsupported", r"not allowed",
    r"whitelist", r"not implemented", r"invalid (?:param|argument|block tag)",
    r"unknown (?:block )?(?:tag|method)",
)  # fmt: skip
_BY_TEXT: Final = (
    (_RATE_TEXT, Meaning.RATE),
    (_BEHIND_TEXT, Meaning.BEHIND),
    (_SIZE_TEXT, Meaning.SIZE),
    (_UNSUPPORTED_TEXT, Meaning.UNSUPPORTED),
)
_RATES: Final = frozenset({429, -32_007, -32_012, -32_016, -32_090})
_BY_CODE: Final = (
    (frozenset({-32_005}), Meaning.RATE),
    (frozenset({413, TOO_LARGE, -32_008, -32_013, -32_701}), Meaning.SIZE),
    (frozenset({-32_600, -32_601, -32_602, -32_604, -32_004}), Meaning.UNSUPPORTED),
)


def meaning_of(error: RpcError, method: str) -> Meaning:
    """Return what an error that a call of `method` met is about; `BEHIND` if it does not say."""
    if method == "eth_call" and (error.code == REVERTED or _REVERT_TEXT.search(error.message)):
        return Meaning.REVERT
    if method == LOGS and _LOGS_TEXT.search(error.message):
        return Meaning.SIZE
    if error.code in _RATES:
        return Meaning.RATE
    for text, meaning in _BY_TEXT:
        if text.search(error.message):
            return meaning
    return next((meaning for codes, meaning in _BY_CODE if error.code in codes), Meaning.BEHIND)


_SECONDS = re.compile(r"in (?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)(ms|s))?", re.IGNORECASE)
_SECONDS_FIELDS: Final = ("backoff_seconds", "try_again_in", "retry_after")


def pause_of(message: str, data: Any) -> float | None:
    """Return the seconds that the error of a rate limit asks to wait; None if it does not say."""
    for minutes, amount, unit in _SECONDS.findall(message):
        if minutes or amount:
            seconds = float(amount or 0) / (1_000 if unit.lower() == "ms" else 1)
            return 60.0 * int(minutes or 0) + seconds
    values = [data.get(name) for name in _SECONDS_FIELDS] if isinstance(data, dict) else []
    numbers = (re.match(r"\d+(?:\.\d+)?", str(value)) for value in values)
    return next((float(number[0]) for number in numbers if number), None)


_URL = re.compile(r"https?://\S+")


def rejection_of(error: Any) -> tuple[RpcError, float | None]:
    """Return the `RpcError` of a response's field `error`, of any type, and its pause.

    URLs are removed from the text: some providers quote their own, with the key in it.
    """
    fields = error if isinstance(error, dict) else {"message": error}
    try:
        code = int(fields.get("code") or 0)
    except (TypeError, ValueError):
        code = 0
    message = _URL.sub("…", str(fields.get("message") or ""))
    return RpcError(code, message), pause_of(message, fields.get("data"))
