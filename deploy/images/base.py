"""Build a stand-in for the base image of the Dockerfile from Debian's packages."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.images.buildah import Buildah

SUITE: Final = "bookworm"
"""Debian's release of the real base, which has the same minor version of Python."""
_PACKAGES: Final = (
    *("python3", "python-is-python3", "ca-certificates", "netbase", "tzdata"),
    *("python3-pip-whl", "python3-setuptools-whl"),
)
# like the real base: pip is in /usr/local, may install there, and belongs to no package
_FINISH: Final = """
set -eu
wheels=/usr/share/python-wheels
rm /usr/lib/python3.11/EXTERNALLY-MANAGED
pip="python3 $(echo $wheels/pip-*.whl)/pip"
PIP_CONFIG_FILE=/dev/null $pip install --quiet --no-index --find-links $wheels \\
  --no-compile --root-user-action ignore pip setuptools
dpkg --purge python3-pip-whl python3-setuptools-whl
rm -rf /var/cache/apt /var/lib/apt/lists /var/log/*
rm -f /etc/apt/sources.list /etc/resolv.conf /etc/hostname
: > /etc/pip.conf
"""
_PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"


def ensure_base(buildah: Buildah) -> str:
    """Return the name of the base image; build it, unless it is stored.

    Raises:
        subprocess.CalledProcessError: debootstrap or a step after it failed.
    """
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    name = f"localhost/vouch-base:{recipe}"
    if not buildah.has_image(name):
        root = buildah.folder / "base"
        shutil.rmtree(root, ignore_errors=True)
        try:
            _install(root, buildah.folder / "debootstrap.log")
            buildah.from_folder(
                root, name, ["--env", f"PATH={_PATH}", "--env", "LANG=C.UTF-8", "--cmd", "python3"]
            )
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return name


def _install(root: Path, log: Path) -> None:
    included = f"--include={','.join(_PACKAGES)}"
    with log.open("wb") as output:
        for command in (
            ["debootstrap", "--variant=minbase", included, SUITE, str(root), *_mirror()],
            ["chroot", str(root), "sh", "-c", _FINISH],
        ):
            environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{_PATH}"}
            # pip takes nothing of this machine into the base
            environment |= {"PIP_CONFIG_FILE": os.devnull}
            subprocess.run(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True
            )


def _mirror() -> list[str]:
    """Return the archive that apt uses on this machine; none: the default of debootstrap."""
    targets = (f"Codename: {SUITE}", "Component: main", "Created-By: Packages")
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *targets]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return found[:1]
