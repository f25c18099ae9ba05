"""W3C trace context, as it travels in a header: `00-<trace>-<span>-<flags>`."""

import re

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_SAMPLED = 0x01


def readable(offered: str | None) -> str | None:
    """What was offered, if it is well-formed; anything else is as good as nothing."""
    return offered if offered is not None and _TRACEPARENT.fullmatch(offered) else None


def is_sampled(traceparent: str) -> bool:
    """Whether the sender of a well-formed one records the trace."""
    return bool(int(traceparent[-2:], 16) & _SAMPLED)


def trace_and_span(traceparent: str) -> tuple[str, str]:
    _, trace, span, _ = traceparent.split("-")
    return trace, span
