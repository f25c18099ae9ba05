"""Runs the stack: one coloured log, Ctrl-C stops everything that was started and nothing else."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import psutil
from honcho.manager import Manager

from deploy.local.ports import taken
from deploy.local.programs import Program, aws, redis
from deploy.local.provision import read_environment, wait_for
from deploy.local.settings import ROOT, SERVICES, LocalSettings

RESPAWN_SECONDS = 1.0


def up(settings: LocalSettings) -> int:
    """Run the stack until it is told to stop; returns the exit code."""
    if complaints := taken(settings.ports()):
        if settings.ready.exists():
            complaints.append("a stack seems to be up already: `make down` stops it")
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
        settings.ready.unlink(missing_ok=True)
        settings.pid.unlink(missing_ok=True)
    stopped_on_request = {128 + signal.SIGINT, 128 + signal.SIGTERM}
    return 0 if manager.returncode in stopped_on_request else 1


def down(settings: LocalSettings) -> int:
    """Stop the stack of this checkout, wherever it was started."""
    if (pid := running(settings)) is None:
        print("no stack is up")
        return 0
    os.kill(pid, signal.SIGTERM)
    wait_for("the end of the stack", lambda: running(settings) is None, seconds=30)
    return 0


def running(settings: LocalSettings) -> int | None:
    """Process id of the runner, if it lives and is ours."""
    try:
        pid = int(settings.pid.read_text())
        command = psutil.Process(pid).cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None
    return pid if command[-2:] == ["deploy.local", "up"] else None


def serve(settings: LocalSettings, service: str) -> int:
    """Become one service of the stack, and start it again when it was killed."""
    wait_for("the template", settings.service_env.exists)
    environment = settings.environment() | read_environment(settings.service_env)
    environment |= {"LOG_FORMAT": os.environ.get("LOG_FORMAT", "console")}
    environment |= {"RECEIVE_WAIT_SECONDS": "1"}  # Ctrl-C should not have to wait
    if service == "gateway":
        environment |= {"GATEWAY_PORT": str(settings.gateway_port)}
    else:
        environment |= {"HEALTH_PORT": str(settings.health_port(service))}
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
    for name, program in (("redis", redis(settings)), ("aws", aws(settings))):
        command = f"exec {shlex.join(program.arguments)}"
        manager.add_process(name, command, env=program.environment, quiet=name == "redis")
    ours = settings.environment()
    for name, verb in [("stack", ["provision", "--stay"]), *((s, ["serve", s]) for s in SERVICES)]:
        # `exec` leaves no shell between honcho and the program
        command = f"exec {shlex.join([sys.executable, '-m', 'deploy.local', *verb])}"
        manager.add_process(name, command, env=ours, cwd=str(ROOT))
    return manager


def _respawn(arguments: list[str], environment: dict[str, str]) -> int:
    """Run until told to stop; a killed process is started again, as a platform would."""
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while True:
        child = subprocess.Popen(arguments, env=environment, cwd=ROOT)
        code = child.wait()
        if stopping:
            return 0
        print(f"ended with {code}; starting it again", flush=True)
        time.sleep(RESPAWN_SECONDS)
