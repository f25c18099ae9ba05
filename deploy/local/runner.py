"""Runs the stack: one coloured log, Ctrl-C stops everything that was started and nothing else."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import psutil
from honcho.manager import Manager

from deploy.folders import ROOT
from deploy.local.ports import taken
from deploy.local.programs import Program, aws, redis
from deploy.local.provision import read_environment, wait_for
from deploy.local.settings import SERVICES, LocalSettings, port_setting

RESPAWN_SECONDS = 1.0
STOP_SECONDS = 10.0
START_SECONDS = 10.0
FAILED_STARTS = 3
MARK = "PART_OF_LOCAL_STACK"
"""Set for everything that the runner starts, to the stack's state directory."""


def up(settings: LocalSettings) -> int:
    """Run the stack until a signal stops it; return the exit code."""
    if complaints := hindrances(settings):
        print("\n".join(complaints), file=sys.stderr)
        return 1
    _prepare(settings)
    manager = _manager(settings)
    # a closed terminal is a request to stop, too
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    settings.pid.write_text(str(os.getpid()))
    try:
        manager.loop()
    finally:
        settings.pid.unlink(missing_ok=True)
        _sweep(settings)
    stopped_on_request = {128 + signal.SIGINT, 128 + signal.SIGTERM}
    return 0 if manager.returncode in stopped_on_request else 1


def hindrances(settings: LocalSettings) -> list[str]:
    """Why no stack can be started now; a stack that is up owns the state directory, too."""
    if (pid := running(settings)) is not None:
        return [f"a stack is up already (process {pid}); `make down` stops it"]
    if left_over(settings):
        return ["a stack was killed and has left processes behind; `make down` stops them"]
    return taken(settings.ports())


def down(settings: LocalSettings) -> int:
    """Stop the stack of this checkout, wherever it was started."""
    if (pid := running(settings)) is not None:
        os.kill(pid, signal.SIGTERM)
        wait_for("the end of the stack", lambda: running(settings) is None, seconds=30)
    elif not left_over(settings):
        print("no stack is up")
    _sweep(settings)
    return 0


def running(settings: LocalSettings) -> int | None:
    """Process id of the runner, if it lives and is ours."""
    try:
        pid = int(settings.pid.read_text())
        command = psutil.Process(pid).cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return pid if command[-2:] == ["deploy.local", "up"] else None


def left_over(settings: LocalSettings) -> list[psutil.Process]:
    """Parts of the stack that a runner which was killed could not stop."""
    return [process for process in psutil.process_iter() if _is_part(settings, process)]


def serve(settings: LocalSettings, service: str) -> int:
    """Become one service of the stack, and start it again when it was killed."""
    wait_for("the template", settings.service_env.exists)
    environment = settings.environment() | read_environment(settings.service_env)
    environment |= {"LOG_FORMAT": os.environ.get("LOG_FORMAT", "console")}
    environment |= {"RECEIVE_WAIT_SECONDS": "1"}  # Ctrl-C should not have to wait
    environment |= {port_setting(service).upper(): str(settings.health_port(service))}
    return _respawn([sys.executable, "-m", service, "run"], environment)


def start(program: Program, output: int | None = None) -> "subprocess.Popen[bytes]":
    """A program in the background, in a session of its own."""
    return subprocess.Popen(
        program.arguments,
        env=program.environment,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _prepare(settings: LocalSettings) -> None:
    if not settings.persist:
        shutil.rmtree(settings.state / "redis", ignore_errors=True)
        shutil.rmtree(settings.state / "aws", ignore_errors=True)
    settings.state.mkdir(parents=True, exist_ok=True)
    settings.service_env.unlink(missing_ok=True)
    settings.ready.unlink(missing_ok=True)


def _manager(settings: LocalSettings) -> Manager:
    manager = Manager()
    marked = {MARK: _mark(settings)}
    for name, program in (("redis", redis(settings)), ("aws", aws(settings))):
        command = f"exec {shlex.join(program.arguments)}"
        manager.add_process(name, command, env=program.environment | marked, quiet=name == "redis")
    ours = settings.environment() | marked
    chain = ["-m", "deploy.local.chain", "--port", str(settings.chain_port)]
    command = f"exec {shlex.join([sys.executable, *chain])}"
    manager.add_process("chain", command, env=ours, cwd=str(ROOT))
    for name, verb in [("stack", ["provision", "--stay"]), *((s, ["serve", s]) for s in SERVICES)]:
        # `exec` leaves no shell between honcho and the program
        command = f"exec {shlex.join([sys.executable, '-m', 'deploy.local', *verb])}"
        manager.add_process(name, command, env=ours, cwd=str(ROOT))
    return manager


def _mark(settings: LocalSettings) -> str:
    return str(settings.state.resolve())


def _is_part(settings: LocalSettings, process: psutil.Process) -> bool:
    try:
        if process.name() == "redis-server":  # writes its title over its environment
            return process.cwd() == str(settings.state.resolve() / "redis")
        return process.environ().get(MARK) == _mark(settings)
    except (psutil.Error, OSError):  # another person's, or just gone
        return False


def _sweep(settings: LocalSettings) -> None:
    """Nothing of the stack goes on, and nothing says that it does."""
    parts = left_over(settings)
    for part in parts:
        with contextlib.suppress(psutil.NoSuchProcess):
            part.terminate()
    for part in psutil.wait_procs(parts, timeout=STOP_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            part.kill()
    for file in (settings.ready, settings.service_env, settings.pid):
        file.unlink(missing_ok=True)


def _respawn(arguments: list[str], environment: dict[str, str]) -> int:
    """Run until a signal stops it; a killed process is started again, as a platform would.

    One that fails at its start again and again cannot be helped by that: the stack ends.
    """
    stopping = False
    failed = 0
    child: subprocess.Popen[bytes] | None = None

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while failed < FAILED_STARTS:
        started = time.monotonic()
        child = subprocess.Popen(arguments, env=environment, cwd=ROOT)
        code = child.wait()
        if stopping:
            return 0
        at_start = code > 0 and time.monotonic() - started < START_SECONDS
        failed = failed + 1 if at_start else 0
        print(f"ended with {code}; starting it again", flush=True)
        time.sleep(RESPAWN_SECONDS)
    print(f"failed {failed} times at its start; see above why", flush=True)
    return 1
