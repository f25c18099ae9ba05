"""Find ports that are free, and report those that are not."""

import contextlib
import random
import socket
from collections.abc import Mapping, Sequence

from deploy.local.settings import HOST

OUTGOING = 32_768
"""The first port that systems use for outgoing connections."""
BELOW_OUTGOING = range(10_000, OUTGOING)
_GIVEN: set[int] = set()
"""Ports that `unused_ports` has returned; some of them are used only minutes later."""


def port_conflicts(ports: Mapping[str, int]) -> list[str]:
    """Return a message for each port on which another program listens, with the remedy."""
    return [
        f"Port {port} is taken. Free it, or choose another one: make up {name}=<port>"
        for name, port in ports.items()
        if not is_free(port)
    ]


def is_free(port: int) -> bool:
    """Return whether no program listens on the port."""
    with contextlib.closing(socket.socket()) as probe:
        # a closed connection of the last run does not count as a listener
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def unused_ports(count: int, among: Sequence[int] | None = None) -> list[int]:
    """Return different ports on which no program listens, and which no earlier call has returned.

    By default the system does not assign them to outgoing connections before the caller uses them.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.choice(among or BELOW_OUTGOING)  # noqa: S311  no secret
        if port not in _GIVEN and is_free(port):
            _GIVEN.add(port)
            found.append(port)
    return found
