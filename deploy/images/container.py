"""Run an image's program as a container engine would, with the system's own tools.

The program has a root file system of its own, read-only but for /tmp; namespaces of its own for
processes, mounts and memory; the user of the image, no capability, and no way to gain one.
"""

import errno
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

from deploy.images.buildah import Image

_TEMPORARY: Final = "/tmp"  # noqa: S108  the container's
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  as above
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_NO_PRIVILEGES: Final = "--clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"


class NotIsolated(Exception):
    """A program that was started here can do what a container may not."""


@dataclass(frozen=True)
class Mount:
    """Describe a folder of this machine that a container sees."""

    source: Path
    target: str


def start(
    image: Image,
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[bytes] | None = None,
    *,
    user: int | None = None,
    mounts: Sequence[Mount] = (),
) -> "Container":
    """Start a program with the variables of the image and with further ones.

    `user` replaces the image's. With `mounts`, the root file system can be written to.
    """
    script = _script(image, command, image.user if user is None else user, mounts)
    isolation = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    process = subprocess.Popen(
        [*isolation, "/bin/sh", "-ec", script],
        env={**image.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    return Container(image, process)


def _script(image: Image, command: Sequence[str], user: int, mounts: Sequence[Mount]) -> str:
    root = shlex.quote(str(image.root))
    enter = shlex.join(["sh", "-c", 'cd "$0"; exec "$@"', image.folder, *command])
    return "\n".join(
        [
            f"mount --bind {root} {root}",
            *(
                f"mkdir -p {root}{mount.target} && mount --bind {mount.source} {root}{mount.target}"
                for mount in mounts
            ),
            "" if mounts else f"mount -o remount,bind,ro {root}",
            f"mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs {root}{_TEMPORARY}",
            f"mount -t proc -o nosuid,nodev,noexec proc {root}/proc",
            f"mount -t sysfs -o ro,nosuid,nodev,noexec sysfs {root}/sys",
            f"mount -t tmpfs -o nosuid,mode=755 tmpfs {root}/dev",
            f"mkdir -m 1777 {root}{_SHARED_MEMORY}",
            f"ln -s /proc/self/fd {root}/dev/fd",
            *(
                f"touch {root}/dev/{name} && mount --bind /dev/{name} {root}/dev/{name}"
                for name in _DEVICES
            ),
            f"exec chroot {root} setpriv --reuid={user} --regid={user} {_NO_PRIVILEGES} {enter}",
        ]
    )


@dataclass(frozen=True)
class Container:
    """Observe and stop a program that was started from an image."""

    image: Image
    process: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        """Process id of the program, outside of its namespace."""
        return int(psutil.Process(self.process.pid).children()[0].pid)

    def require_isolation(self) -> None:
        """Verify from outside what a container may not do.

        Raises:
            NotIsolated: it runs as another user, with a capability, or with a writable root.
        """
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        required = {
            "Uid": "\t".join([str(self.image.user)] * 4),
            "CapEff": "0" * 16,
            "CapBnd": "0" * 16,
            "NoNewPrivs": "1",
        }
        actual = {name: status[name] for name in required}
        if actual != required:
            raise NotIsolated(f"{actual} instead of {required}")
        if not status["NSpid"].endswith("\t1"):
            raise NotIsolated(f"it is not the first process of its namespace: {status['NSpid']}")
        for folder in ("", "/app", "/venv", "/etc", "/var", "/run"):
            if not self._refuses_files(folder):
                raise NotIsolated(f"{folder or '/'} can be written to")
        if self._refuses_files(_TEMPORARY):
            raise NotIsolated(f"{_TEMPORARY} cannot be written to")

    def _refuses_files(self, folder: str) -> bool:
        """Return whether even root gets EROFS there."""
        file = Path(f"/proc/{self.pid}/root{folder}/probe")
        try:
            file.touch()
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            return True
        file.unlink()
        return False

    def is_healthy(self) -> bool:
        """Return whether the image's health check succeeds, run inside the container."""
        user = f"--reuid={self.image.user} --regid={self.image.user} {_NO_PRIVILEGES}"
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root", "--wd"]
        done = subprocess.run(
            [*inside, "setpriv", *user.split(), *self.image.health_check],
            env=self.image.environment,
            check=False,
        )
        return done.returncode == 0

    def stop(self, seconds: float) -> tuple[int, float]:
        """Send SIGTERM to the program; return its exit code, and after how many seconds it ended.

        Raises:
            subprocess.TimeoutExpired: it did not end within `seconds`.
        """
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(timeout=seconds), time.monotonic() - began
