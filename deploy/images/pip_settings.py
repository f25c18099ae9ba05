"""Lend a build this machine's way to the package index, without leaving any of it in an image."""

import subprocess
import sys
from pathlib import Path
from typing import Final

_CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_CONFIGURATION: Final = "/etc/pip.conf"
_LENT: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def lend(folder: Path) -> list[str]:
    """Write pip's settings into `folder`; return the options of a build that mount them.

    They are the index, its proxy and its certificates. Packages on this machine's disk are not
    lent, so that an image does not depend on them.
    """
    settings = _settings()
    kept = {name: settings[name] for name in _LENT if name in settings}
    lines = [f"{name} = {value}" for name, value in kept.items() if "file:" not in value]
    file = folder / "pip.conf"
    file.touch(mode=0o600)
    file.write_text("\n".join(["[global]", f"cert = {_CERTIFICATES}", *lines, ""]))
    certificates = settings.get("cert", _CERTIFICATES)
    return [
        f"--volume={file}:{_CONFIGURATION}:ro",
        f"--volume={certificates}:{_CERTIFICATES}:ro",
    ]


def traces(image: Path, base: Path) -> list[str]:
    """Return the files of an image that still hold what was lent to its build.

    `image` is the folder with its files, `base` that of the image it was built on.
    """
    borrowed = [_CONFIGURATION, _CERTIFICATES]
    left = [path for path in borrowed if _content(image, path) != _content(base, path)]
    if index := _settings().get("index-url"):
        folders = [str(image / folder) for folder in ("app", "etc", "usr/local", "venv")]
        search = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", index]
        left += subprocess.run(
            [*search, *folders], capture_output=True, text=True, check=False
        ).stdout.splitlines()
    return left


def _content(image: Path, path: str) -> bytes:
    file = image / path.lstrip("/")
    return file.read_bytes() if file.exists() else b""


def _settings() -> dict[str, str]:
    """Return pip's settings: those of files, then those of variables (`:env:`), which win."""
    pip = [f"{sys.base_prefix}/bin/python3", "-m", "pip", "config", "list"]
    listed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[str, str] = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        name, value = line.split("=", 1)
        option = name.rpartition(".")[2].replace("default-timeout", "timeout")
        found[option] = value[1:-1]
    return found
