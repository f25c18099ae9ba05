"""Use the stack that is up, or start one and stop it again."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from deploy.folders import ROOT
from deploy.local.provision import wait_for
from deploy.local.runner import running, start_problems
from deploy.local.settings import LocalSettings

TAIL_LINES = 30
START_SECONDS = 240
"""Time in which the stack has to be up; a busy machine takes minutes."""


class DidNotStart(Exception):
    """The stack ended before it was up; the message holds the end of its log."""


@contextlib.contextmanager
def stack(settings: LocalSettings, *, keep: bool) -> Iterator[LocalSettings]:
    """Yield the settings of a stack whose gateway can serve.

    Raises:
        DidNotStart: a port is taken, a process ended, or it takes too long.
    """
    if running(settings) is not None:
        wait_for("the stack that is being started", settings.ready.exists)
        yield settings.as_started()
        return
    started = time.monotonic()
    process = _start(settings)
    stays = False
    try:
        _wait_until_ready(settings, process)
        print(f" ready in {time.monotonic() - started:.0f} s")
        yield settings
        stays = keep
    finally:
        if not stays:
            process.terminate()
            process.wait(timeout=30)


def _start(settings: LocalSettings) -> "subprocess.Popen[bytes]":
    if problems := start_problems(settings):
        raise DidNotStart("\n".join(problems))
    settings.state.mkdir(parents=True, exist_ok=True)
    settings.ready.unlink(missing_ok=True)
    print(f"Starting the system (log: {os.path.relpath(settings.log)}) …", end="", flush=True)
    with settings.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up"],
            env=settings.environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_ready(settings: LocalSettings, process: "subprocess.Popen[bytes]") -> None:
    try:
        wait_for("the stack", lambda: _ready(settings, process), seconds=START_SECONDS)
    except TimeoutError as error:
        raise DidNotStart(_end_of_log(settings, str(error))) from None


def _ready(settings: LocalSettings, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        raise DidNotStart(_end_of_log(settings, "the stack ended before it was up"))
    return settings.ready.exists()


def _end_of_log(settings: LocalSettings, because: str) -> str:
    lines = settings.log.read_text(errors="replace").splitlines()
    # the runner's own lines say how it stopped, not why
    tail = [line for line in lines if " system " not in line][-TAIL_LINES:]
    return "\n".join([f"{because}; the end of {os.path.relpath(settings.log)}:", *tail])
