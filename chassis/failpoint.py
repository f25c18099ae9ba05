"""Named places at which a test may kill the process; without FAILPOINT they do nothing.

`FAILPOINT=after_append` kills the process (SIGKILL, as `kill -9` does) the first time it comes
there, `FAILPOINT=after_append:3` the third time.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("FAILPOINT", "").partition(":")
_left = int(_COUNT or 1)

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
    global _left  # noqa: PLW0603  a process dies once
    if name != _NAME:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
