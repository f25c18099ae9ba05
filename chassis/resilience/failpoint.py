"""Named places at which a test may kill the process; without FAILPOINT they do nothing.

`FAILPOINT=after_append` kills the process (SIGKILL, as `kill -9` does) the first time it comes
there, `FAILPOINT=after_append:3` the third time.
"""

import os
import signal
from functools import cache

_passed = 0

COMMAND_ROAD = (
    "before_load",
    "after_load",
    "before_append",
    "after_append",
    "after_project",
    "after_announce",
    "after_outcome",
)
"""The places between every two steps of a command, in their order."""


def failpoint(name: str) -> None:
    global _passed  # noqa: PLW0603  a process dies once
    place, times = _wanted()
    if name != place:
        return
    _passed += 1
    if _passed >= times:
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _wanted() -> tuple[str, int]:
    """Read at the first place, not on import: a process may be forked before it is told."""
    place, _, times = os.environ.get("FAILPOINT", "").partition(":")
    return place, int(times or 1)
