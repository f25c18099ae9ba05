"""Names for requests and commands."""

import os
import random
import re
import time
import uuid
from typing import Final

from tracing.traceparent import trace_and_span_ids, valid_traceparent

_OURS: Final = uuid.UUID("a3c7bd1e-49a5-5d0e-8b39-3d6b2f9f7c54")
"""Namespace of the command ids that follow from an Idempotency-Key."""
_FOREIGN_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_CHANCE: Final = random.Random(os.urandom(32))  # noqa: S311  names are told apart by it, no secrets


def request_id(offered: str | None = None) -> str:
    """The caller's own id if it is harmless in a log, otherwise a fresh one."""
    if offered is not None and _FOREIGN_REQUEST_ID.fullmatch(offered):
        return offered
    return f"{_CHANCE.getrandbits(64):016x}"


def new_command_id() -> str:
    """A UUIDv7 (RFC 9562): ids made later sort later."""
    stamp = time.time_ns() // 1_000_000
    number = stamp << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def keyed_command_id(caller: str, key: str) -> str:
    """The same caller and key always make the same command; another caller's key never does."""
    return str(uuid.uuid5(_OURS, f"{caller}\n{key}"))


def child_traceparent(offered: str | None) -> str:
    """W3C trace context of what a request sets in motion: in the caller's trace, or a new one.

    Not sampled, whatever the caller says: nothing is recorded here, and the services record what
    the gateway does.
    """
    parent = valid_traceparent(offered)
    trace = os.urandom(16).hex() if parent is None else trace_and_span_ids(parent)[0]
    return f"00-{trace}-{os.urandom(8).hex()}-00"
