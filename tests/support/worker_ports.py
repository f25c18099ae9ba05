"""Give each worker of pytest-xdist ports of its own.

A worker chooses the ports of its services at its start, and starts most of them minutes later.
Meanwhile another worker could find one of them free, and use it.
"""

import os


def of_this_worker(ports: range) -> range:
    """Return the ports from which this worker alone chooses; without workers: all."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports[number::workers]
