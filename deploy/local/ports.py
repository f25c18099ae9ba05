"""Ports are looked at before anything is started."""

import contextlib
import socket
from collections.abc import Mapping

from deploy.local.settings import HOST


def taken(ports: Mapping[str, int]) -> list[str]:
    """One sentence for each port that somebody else listens on, with the remedy."""
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
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(contextlib.closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
