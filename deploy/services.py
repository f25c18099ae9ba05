"""Find the services of this repository and what they declare."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from chassis.run.service import Service

ROOT: Final = Path(__file__).parents[1]
GATEWAY: Final = "gateway"
"""The public entry: a service without an event log."""


def service_names() -> tuple[str, ...]:
    """Return the names of all services, alphabetically, the gateway last.

    Each folder of `services/` that can be run is a service.
    """
    folders = (path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))
    return tuple(sorted(folders, key=lambda name: (name == GATEWAY, name)))


def event_sourced_names() -> tuple[str, ...]:
    """Return the names of the services that own an event log."""
    return tuple(name for name in service_names() if name != GATEWAY)


@cache
def declared_services() -> tuple[Service[Any, Any, Any, Any], ...]:
    """Return the declarations of the services that own an event log.

    Raises:
        LookupError: a service's `app.py` does not declare exactly one `Service`.
    """
    return tuple(_declaration(name) for name in event_sourced_names())


def _declaration(name: str) -> Service[Any, Any, Any, Any]:
    module = import_module(f"{name}.app")
    found = [value for value in vars(module).values() if isinstance(value, Service)]
    if len(found) != 1:
        raise LookupError(f"services/{name}/app.py declares {len(found)} services; one is needed")
    return found[0]
