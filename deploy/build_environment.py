"""Build virtual environments from hashed locks, unless they are up to date.

    python deploy/build_environment.py .venv=requirements-dev.lock .venv-aws=requirements-aws.lock

Needs the standard library and a package index only. Packages are installed by uv: the one on PATH,
else the pinned one of requirements-uv.lock, which pip brings into .local/uv.

An environment carries the stamp of what it was built from: a digest of the lock's content and the
version of Python. A lock that was only touched or checked out again rebuilds nothing.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

UV_LOCK = Path("requirements-uv.lock")
UV_HOME = Path(".local") / "uv"
STAMP = "built-from.sha256"


def main(arguments: Sequence[str]) -> int:
    """Build each `environment=lock` that is not up to date; return the exit code."""
    pairs = [argument.split("=", 1) for argument in arguments]
    for environment, lock in pairs:
        if is_current(Path(environment), Path(lock)):
            continue
        try:
            build(Path(environment), Path(lock))
        except subprocess.CalledProcessError as failure:
            print(f"{environment} was not built: {failure}", file=sys.stderr)
            return 1
    return 0


def is_current(environment: Path, lock: Path) -> bool:
    """Return whether this environment was built from the lock's present content."""
    stamp, python = environment / STAMP, environment / "bin" / "python"
    return python.exists() and stamp.exists() and stamp.read_text() == digest(lock)


def digest(lock: Path) -> str:
    """Return the digest of the lock's content and of the version of Python."""
    content = hashlib.sha256(lock.read_bytes())
    content.update(platform.python_version().encode())
    return content.hexdigest()


def build(environment: Path, lock: Path) -> None:
    """Install the locked packages into a new environment.

    If `environment` is a symbolic link, the link is replaced; its target stays as it is.

    Raises:
        subprocess.CalledProcessError: uv could not be installed, or a package could not.
    """
    started = time.monotonic()
    uv = find_uv()
    print(f"Building {environment} from {lock} …", flush=True)
    unlink_only(environment)
    run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment))
    python = str(environment / "bin" / "python")
    run(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock))
    (environment / STAMP).write_text(digest(lock))
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)


def unlink_only(environment: Path) -> None:
    """Remove a symbolic link without following it; leave anything else alone."""
    if environment.is_symlink():
        print(f"  {environment} was a link to {environment.readlink()}, which is left as it is")
        environment.unlink()


def find_uv() -> str:
    """Return the path of uv, installing the pinned one if there is none on PATH."""
    if found := os.environ.get("UV") or shutil.which("uv"):
        return found
    uv = UV_HOME / "bin" / "uv"
    if not is_current(UV_HOME, UV_LOCK):
        print(f"Installing uv into {UV_HOME} …", flush=True)
        unlink_only(UV_HOME)
        run(sys.executable, "-m", "venv", "--clear", str(UV_HOME))
        pip = (str(UV_HOME / "bin" / "python"), "-m", "pip", "-qq")
        run(*pip, "install", "--disable-pip-version-check", "--require-hashes", "-r", str(UV_LOCK))
        (UV_HOME / STAMP).write_text(digest(UV_LOCK))
    return str(uv)


def run(*command: str) -> None:
    """Run a program; uv uses the package index that pip is configured for."""
    environment = {"UV_PYTHON_DOWNLOADS": "never", **os.environ}
    if index := pip_index():
        environment.setdefault("UV_DEFAULT_INDEX", index)
    subprocess.run(command, env=environment, check=True)


@cache
def pip_index() -> str:
    """Return the URL of the index that pip is configured for; empty for the public one."""
    if index := os.environ.get("PIP_INDEX_URL"):
        return index
    asked = (sys.executable, "-m", "pip", "config", "get", "global.index-url")
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
