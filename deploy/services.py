"""Load the declarations of the services."""

from functools import cache
from importlib import import_module
from typing import Any

from chassis.run.service import Service
from deploy.folders import event_sourced_names


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
