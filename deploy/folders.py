"""Find the services and libraries of this repository by their folders."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DATA_STACKS: Final = ROOT / "deploy" / "aws" / "data"
"""The templates of stacks that hold data, and policies: `<name>.yaml`."""
WEB_STACK: Final = ROOT / "deploy" / "aws" / "web.yaml"
ALARM_STACKS: Final = ROOT / "deploy" / "aws"
"""Folder of the stacks of alarms and of the dashboard."""
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


def library_names() -> tuple[str, ...]:
    """Return the names of all libraries, alphabetically."""
    return tuple(sorted(path.parent.name for path in (ROOT / "libs").glob("*/__init__.py")))
