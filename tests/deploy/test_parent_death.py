"""A test run that is killed leaves no server behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.folders import ROOT
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(sys.platform != "linux", reason="other kernels do not offer it"),
]
SERVER = """
import asyncio, pathlib, sys
from tests.support.redis_server import RedisServer

async def main():
    server = RedisServer(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
PROGRAM = """
import sys, time
from deploy.local.programs import Program, start

print(start(Program(["sleep", "60"], {})).pid, flush=True)
time.sleep(60)
"""
SERVICE = """
import sys, time
from tests.support.forked_process import ForkedProcess

if __name__ == "__main__":
    sleep = ["timeit", "-n", "1", "import time; time.sleep(60)"]
    print(ForkedProcess(sleep, {}, sys.argv[1] + "/log").pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("code", [SERVER, PROGRAM, SERVICE], ids=["Redis", "program", "service"])
async def test_a_process_dies_with_the_test_run_that_started_it(tmp_path: Path, code: str) -> None:
    script = tmp_path / "run.py"
    script.write_text(code)
    with subprocess.Popen(  # noqa: ASYNC220, S603  our own program, which ends at once
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}/services:{ROOT}/libs:{ROOT}"},
    ) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert _exists(pid)
        run.send_signal(signal.SIGKILL)
    await eventually(lambda: _is_gone(pid))


async def _is_gone(pid: int) -> bool:
    return not _exists(pid)


def _exists(pid: int) -> bool:
    """Return whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
