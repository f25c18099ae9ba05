"""Keep libraries from importing packages that are installed and that no process uses."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, Final

UNUSED: Final = (
    "opentelemetry",  # by redis-py, for metrics that we do not switch on
    "rich",  # by structlog, for tracebacks on a terminal
    "uvicorn",  # by FastStream, to serve ASGI
)


@contextlib.contextmanager
def without_unused_packages() -> Iterator[None]:
    """Let imports inside the context fail for `UNUSED`, which libraries take as not installed.

    Afterwards they can be imported, as traces do with OpenTelemetry. The three take 9 MB.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    not_to_be_imported: dict[str, Any] = dict.fromkeys(hidden)
    sys.modules.update(not_to_be_imported)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
