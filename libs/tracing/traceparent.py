"""Parse the W3C trace context header `traceparent`: `00-<trace id>-<span id>-<flags>`."""

import re

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_SAMPLED = 0x01


def valid_traceparent(header: str | None) -> str | None:
    """Return the header if it is well-formed, else None; invalid headers are ignored."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None


def is_sampled(traceparent: str) -> bool:
    """Return whether the sender of a well-formed `traceparent` records the trace."""
    return bool(int(traceparent[-2:], 16) & _SAMPLED)


def trace_and_span_ids(traceparent: str) -> tuple[str, str]:
    """Return the trace id (32 hex digits) and the span id (16) of a well-formed `traceparent`."""
    _, trace, span, _ = traceparent.split("-")
    return trace, span
