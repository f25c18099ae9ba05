"""Build images with buildah, which needs no daemon, in storage of its own."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    """Describe an image whose files are in a folder: what a container of it runs, and how."""

    root: Path
    environment: dict[str, str]
    user: int
    folder: str
    command: list[str]
    health_check: list[str]


@dataclass(frozen=True)
class Buildah:
    """Run buildah as root; images and containers are stored in `folder`."""

    folder: Path

    def run(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run buildah; return what it prints, without the line end.

        Raises:
            subprocess.CalledProcessError: it failed; its messages went to stderr.
        """
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        storage = ["--root", f"{self.folder}/storage", "--runroot", f"{self.folder}/run"]
        done = subprocess.run(
            ["buildah", *storage, "--storage-driver", "vfs", *arguments],  # noqa: S607
            cwd=cwd,
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def has_image(self, name: str) -> bool:
        """Return whether an image of this name is stored."""
        images = json.loads(self.run("images", "--json") or "null") or []
        return any(name in (image.get("names") or []) for image in images)

    def remove_containers(self) -> None:
        """Remove all containers, also those that an interrupted run has left."""
        self.run("rm", "--all")

    def from_folder(self, folder: Path, name: str, configuration: Sequence[str]) -> None:
        """Store an image that consists of the files of a folder."""
        container = self.run("from", "scratch")
        self.run("add", "--quiet", container, str(folder), "/")
        self.run("config", *configuration, container)
        self.run("commit", "--quiet", "--rm", container, name)

    def build(self, context: Path, name: str, arguments: Sequence[str]) -> None:
        """Build the Dockerfile of a folder; the network is that of this machine."""
        isolation = ["--isolation", "chroot", "--network", "host", "--pull-never"]
        # `docker`: the OCI format has no health check
        form = ["--format", "docker", "--quiet", "--tag", name]
        self.run("bud", *isolation, *form, *arguments, ".", cwd=context)

    def unpack(self, name: str) -> Image:
        """Unpack an image into a new container; return where its files are, and what it runs."""
        container = self.run("from", "--pull-never", name)
        configuration = self._configuration(container)
        return Image(
            root=Path(self.run("mount", container)),
            environment=dict(entry.split("=", 1) for entry in configuration["Env"]),
            user=int(configuration["User"]),
            folder=configuration["WorkingDir"],
            command=configuration["Cmd"],
            health_check=configuration["Healthcheck"]["Test"][1:],
        )

    def files(self, name: str) -> Path:
        """Unpack the files of an image into a new container; return their folder."""
        return Path(self.run("mount", self.run("from", "--pull-never", name)))

    def _configuration(self, container: str) -> dict[str, Any]:
        inspected = json.loads(self.run("inspect", container))
        configuration: dict[str, Any] = inspected["Docker"]["config"]
        return configuration
