"""Generate ids of requests and commands, and trace contexts."""

import os
import random
import re
import time
import uuid
from typing import Final

from tracing.traceparent import trace_and_span_ids, valid_traceparent

_NAMESPACE: Final = uuid.UUID("a3c7bd1e-49a5-5d0e-8b39-3d6b2f9f7c54")
"""Namespace of the command ids that are derived from an Idempotency-Key."""
_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_RANDOM: Final = random.Random(os.urandom(32))  # noqa: S311  request ids are no secrets


def request_id(offered: str | None = None) -> str:
    """Return the caller's own id if it is safe to log, otherwise a random one (16 hex digits)."""
    if offered is not None and _SAFE_REQUEST_ID.fullmatch(offered):
        return offered
    return f"{_RANDOM.getrandbits(64):016x}"


def new_command_id() -> str:
    """Return a UUIDv7 (RFC 9562): later ids sort after earlier ones."""
    stamp = time.time_ns() // 1_000_000
    number = stamp << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def keyed_command_id(caller: str, key: str) -> str:
    """Return the id that this caller's Idempotency-Key always yields; unique per caller."""
    return str(uuid.uuid5(_NAMESPACE, f"{caller}\n{key}"))


def child_traceparent(offered: str | None) -> str:
    """Return a W3C trace context in the caller's trace, or in a new one.

    It is never sampled, whatever the caller says: nothing is recorded here, and services record
    what the gateway records.
    """
    parent = valid_traceparent(offered)
    trace = os.urandom(16).hex() if parent is None else trace_and_span_ids(parent)[0]
    return f"00-{trace}-{os.urandom(8).hex()}-00"
