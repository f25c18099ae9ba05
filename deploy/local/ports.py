"""Check ports before anything is started."""

import contextlib
import random
import socket
from collections.abc import Mapping

from deploy.local.settings import HOST

BELOW_OUTGOING = range(10_000, 32_768)


def taken(ports: Mapping[str, int]) -> list[str]:
    """Return one sentence for each port that is in use, with the remedy."""
    return [
        f"port {port} is taken; free it, or choose another one: make up {name}=<port>"
        for name, port in ports.items()
        if not free(port)
    ]


def free(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        # a connection that lingers from the last run is no listener
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def unused(count: int) -> list[int]:
    """Return ports that are not in use, all different.

    From below the range that systems take for outgoing connections: between this look and the
    start of the program the system gives none of them to another one.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.choice(BELOW_OUTGOING)  # noqa: S311  no secret
        if free(port):
            found.add(port)
    return list(found)
