"""Fork processes of our services from one that has imported everything.

They are normal processes: each can be killed and awaited, and has its own environment. Only the
second of CPU time that an interpreter takes to import boto's and our modules is spent once.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.folders import service_names

forkserver = multiprocessing.get_context("forkserver")
forkserver.set_forkserver_preload(
    ["chassis.run.cli", *(f"{service}.app" for service in service_names()), __name__]
)


class Forked:
    """What `subprocess.Popen` is for a program, for a fork."""

    def __init__(self, words: list[str], environment: Mapping[str, str], log: Path) -> None:
        arguments = (words, dict(environment), str(log))
        self._process = forkserver.Process(target=_become, args=arguments, daemon=True)
        self._words = words
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(self._words, timeout or 0)
        return code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


def _become(words: list[str], environment: dict[str, str], log: str) -> None:
    """`python -m <words>`, with nothing of the process that it was forked from."""
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
