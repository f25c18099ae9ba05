"""Fail a test that starts a process."""

import multiprocessing.util
import sys
from typing import Any, NoReturn

STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


def forbid_processes() -> None:
    """Make every start of a process fail from now on, for the lifetime of this interpreter."""
    sys.addaudithook(_check)
    vars(multiprocessing.util)["spawnv_passfds"] = _refuse


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in STARTS:
        _refuse(*arguments[:2])


def _refuse(*arguments: Any) -> NoReturn:
    raise AssertionError(f"a test that starts a process must be marked `stack`: {arguments}")
