"""Build the images of all services, describe their contents, and try each: `make images`."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from deploy.folders import ROOT, service_names
from deploy.images.base import ensure_base
from deploy.images.buildah import Buildah
from deploy.images.folders import IMAGES, image_name
from deploy.images.pip_settings import lend

T = TypeVar("T")
_ISOLATED: Final = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def main() -> int:
    """Build and try the images; return the exit code, 0 if it is impossible here."""
    if reason := _obstacle():
        print(f"make images is skipped: {reason}", file=sys.stderr)
        return 0
    buildah = Buildah(IMAGES)
    buildah.remove_containers()
    try:
        base = _timed("the base", partial(ensure_base, buildah))
        for service in service_names():
            _timed(service, partial(_build, buildah, service, base))
        return subprocess.call([*_ISOLATED, sys.executable, "-m", "deploy.images.trial", base])
    except subprocess.CalledProcessError as failure:
        print(f"make images: {failure}", file=sys.stderr)
        return 1
    finally:
        _clean_up(buildah)


def _obstacle() -> str:
    """Return why images cannot be built here; empty if they can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "it needs Linux, and root for a file system and processes of the images' own"
    if _missing() and shutil.which("apt-get"):
        install = "apt-get -qq update && apt-get -qq install --yes --no-install-recommends "
        subprocess.run(
            ["sh", "-c", install + " ".join(_missing())],  # noqa: S607
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=False,
        )
    if missing := _missing():
        return f"{missing[0]} is missing: install it with apt-get, on Debian or Ubuntu"
    if subprocess.call([*_ISOLATED, "true"], stderr=subprocess.DEVNULL):
        return "this machine lets no process have namespaces of its own"
    return ""


def _timed(what: str, build: Callable[[], T]) -> T:
    began = time.monotonic()
    result = build()
    print(f"built {what} in {time.monotonic() - began:.0f} s", flush=True)
    return result


def _missing() -> list[str]:
    return [program for program in ("buildah", "debootstrap") if not shutil.which(program)]


def _build(buildah: Buildah, service: str, base: str) -> None:
    with tempfile.TemporaryDirectory(dir=IMAGES) as folder:
        arguments = {"BASE": base, "SERVICE": service}
        options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        buildah.build(ROOT, image_name(service), [*options, *lend(Path(folder))])


def _clean_up(buildah: Buildah) -> None:
    """Remove all but the base, which takes longest to build."""
    buildah.remove_containers()
    for service in service_names():
        if buildah.has_image(f"{image_name(service)}:latest"):
            buildah.run("rmi", image_name(service))
    buildah.run("rmi", "--prune")


if __name__ == "__main__":
    sys.exit(main())
