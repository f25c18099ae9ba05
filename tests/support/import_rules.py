"""Run the import rules on a copy of the repository that breaks them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.folders import ROOT


def report_of_violations(
    copy: Path, planted: Mapping[str, str], added: Mapping[str, str] | None = None
) -> str:
    """Return what the import rules report.

    Args:
        copy: an empty folder for the copy.
        planted: path of a new file in the repository -> its text.
        added: path of a file that exists -> the text that is appended to it.
    """
    for folder in ("contracts", "chassis", "libs", "services", "deploy"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in planted.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text)
    for name, text in (added or {}).items():
        (copy / name).write_text((copy / name).read_text() + text)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.import_rules", "--no-logo", "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": f"{copy / 'services'}:{copy / 'libs'}:{copy}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout
