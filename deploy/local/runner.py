"""Run the stack with one coloured log; Ctrl-C stops what was started, and nothing else."""

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
from deploy.local.ports import port_conflicts
from deploy.local.programs import aws, redis
from deploy.local.provision import read_environment, wait_for
from deploy.local.settings import SERVICES, LocalSettings, port_setting

RESPAWN_SECONDS = 1.0
STOP_SECONDS = 10.0
START_SECONDS = 10.0
FAILED_STARTS = 3
MARK = "PART_OF_LOCAL_STACK"
"""Environment variable of every process that the runner starts; value: the state directory."""


def up(settings: LocalSettings) -> int:
    """Run the stack until a signal stops it; return the exit code."""
    if problems := start_problems(settings):
        print("\n".join(problems), file=sys.stderr)
        return 1
    _prepare(settings)
    manager = _manager(settings)
    # closing the terminal stops the stack, too
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    settings.pid.write_text(str(os.getpid()))
    try:
        manager.loop()
    finally:
        settings.pid.unlink(missing_ok=True)
        _sweep(settings)
    stopped_on_request = {128 + signal.SIGINT, 128 + signal.SIGTERM}
    return 0 if manager.returncode in stopped_on_request else 1


def start_problems(settings: LocalSettings) -> list[str]:
    """Return why no stack can be started: one uses the state directory, or ports are taken."""
    if (pid := running(settings)) is not None:
        return [f"The system is already up (process {pid}). Stop it: make down"]
    if leftover_processes(settings):
        return ["A killed system has left processes behind. Stop them: make down"]
    return port_conflicts(settings.ports())


def down(settings: LocalSettings) -> int:
    """Stop the stack of this checkout, wherever it was started."""
    if (pid := running(settings)) is not None:
        os.kill(pid, signal.SIGTERM)
        wait_for("the end of the system", lambda: running(settings) is None, seconds=30)
    elif not leftover_processes(settings):
        print("The system is not up.")
    _sweep(settings)
    return 0


def running(settings: LocalSettings) -> int | None:
    """Return the process id of the runner, or None if it does not run."""
    try:
        pid = int(settings.pid.read_text())
        command = psutil.Process(pid).cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return pid if command[-2:] == ["deploy.local", "up"] else None


def leftover_processes(settings: LocalSettings) -> list[psutil.Process]:
    """Return the processes of the stack; without a runner, those that a killed one left."""
    return [process for process in psutil.process_iter() if _is_part(settings, process)]


def serve(settings: LocalSettings, service: str) -> int:
    """Run one service of the stack, and start it again when it was killed."""
    wait_for("the data stacks", settings.service_env.exists)
    environment = settings.environment() | read_environment(settings.service_env)
    environment |= {"LOG_FORMAT": os.environ.get("LOG_FORMAT", "console")}
    environment |= {"RECEIVE_WAIT_SECONDS": "1"}  # so that Ctrl-C stops it fast
    environment |= {port_setting(service).upper(): str(settings.port_of(service))}
    return _respawn([sys.executable, "-m", service, "run"], environment)


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
        if process.name() == "redis-server":  # its title overwrites its environment
            return process.cwd() == str(settings.state.resolve() / "redis")
        return process.environ().get(MARK) == _mark(settings)
    except (psutil.Error, OSError):  # another user's, or just ended
        return False


def _sweep(settings: LocalSettings) -> None:
    """Stop what is left of the stack, and remove the files that say it is up."""
    parts = leftover_processes(settings)
    for part in parts:
        with contextlib.suppress(psutil.NoSuchProcess):
            part.terminate()
    for part in psutil.wait_procs(parts, timeout=STOP_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            part.kill()
    for file in (settings.ready, settings.service_env, settings.pid):
        file.unlink(missing_ok=True)


def _respawn(arguments: list[str], environment: dict[str, str]) -> int:
    """Run a program until a signal stops it; start it again when it ends, as a platform would.

    Give up on a program that repeatedly fails at its start: then the stack ends.
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
        print(f"ended with {code}; starting again", flush=True)
        time.sleep(RESPAWN_SECONDS)
    print(f"failed {failed} times at its start; the reason is logged above", flush=True)
    return 1
