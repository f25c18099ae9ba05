"""One line per answer: for people as structlog writes it, for machines by a shorter way."""

import asyncio
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO, Final

import orjson
import structlog
from aiohttp import web

FLUSH_SECONDS: Final = 0.1
FLUSH_LINES: Final = 500
_COMMON: Final = {"event": "request_answered", "service": "gateway", "level": "info"}

log = structlog.get_logger("gateway.access")


@dataclass(slots=True)
class AccessLog:
    """The lines have the fields of all others. As JSON they are gathered and written together.

    A line takes structlog a fifth of the time of a whole read, and each one a system call.
    """

    as_json: bool
    out: BinaryIO = field(default_factory=lambda: sys.stdout.buffer)
    _lines: list[bytes] = field(default_factory=list)

    def tell(self, **fields: object) -> None:
        if not self.as_json:
            log.info("request_answered", **fields)
            return
        stamp = datetime.now(UTC).isoformat()
        self._lines.append(orjson.dumps({**fields, **_COMMON, "timestamp": stamp}))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered."""
        if self._lines:
            self.out.write(b"\n".join(self._lines) + b"\n")
            self.out.flush()
            self._lines.clear()

    async def close(self, _app: web.Application) -> None:
        self.flush()
