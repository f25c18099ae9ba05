"""Kill the process at named points, for tests; without the variable FAILPOINT they do nothing.

`FAILPOINT=after_append` kills the process (SIGKILL, as `kill -9` does) the first time it reaches
that point, `FAILPOINT=after_append:3` the third time.
"""

import os
import signal
from functools import cache

_reached = 0

COMMAND_STEPS = (
    "before_load",
    "after_load",
    "before_append",
    "after_append",
    "after_project",
    "after_announce",
    "after_outcome",
)
"""The failpoints between the steps of handling a command, in their order."""


def failpoint(name: str) -> None:
    """Kill this process if FAILPOINT names this point, and it was reached often enough."""
    global _reached  # noqa: PLW0603  a process dies once
    chosen, times = _configured()
    if name != chosen:
        return
    _reached += 1
    if _reached >= times:
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _configured() -> tuple[str, int]:
    """Read FAILPOINT at the first point, not on import: a fork may set it after the import."""
    name, _, times = os.environ.get("FAILPOINT", "").partition(":")
    return name, int(times or 1)
