"""Configure structured logs: one line per fact, as JSON or coloured for a terminal."""

import logging
import sys
from typing import Any, TextIO

import orjson
import structlog

from chassis.run.settings import ProcessSettings


def configure(settings: ProcessSettings, service: str, out: TextIO = sys.stdout) -> None:
    """Write the log of the process to `out`; that of libraries from level warning up."""
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _renderer(settings, out)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings, out),
            ],
        )
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)


def _renderer(settings: ProcessSettings, out: TextIO) -> Any:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(
            serializer=lambda row, **_: orjson.dumps(row, default=str).decode()
        )
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=24)
