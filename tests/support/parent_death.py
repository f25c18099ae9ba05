"""Let the processes of a test run end with it, even if it is killed."""

import ctypes
import signal
import subprocess
import sys
from typing import Final

from deploy.local.programs import Program

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends; on Linux only.

    Elsewhere a run that is killed leaves its servers behind.
    """
    if _LIBC is not None and _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def start(program: Program, output: int | None = None) -> "subprocess.Popen[bytes]":
    """Start a program in the background, in a separate session."""
    return subprocess.Popen(  # noqa: S603  our own program
        program.arguments,
        env=program.environment,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  it calls nothing but the kernel
    )
