"""The rules cover every room, and every service has the same shape and stands alone."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if path.is_dir())
EVENT_SOURCED = [name for name in SERVICES if name != "gateway"]
TEMPLATE = {
    "__init__.py", "__main__.py", "settings.py", "domain.py", "handlers.py", "projections.py",
    "app.py", "pyproject.toml", "requirements.lock",
}  # fmt: skip


def test_the_import_rules_know_every_room() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert set(SERVICES) <= set(rules["root_packages"])
    layers = next(c for c in rules["contracts"] if c["name"].startswith("services use the chassis"))
    assert set(layers["layers"][0].split(" | ")) == set(SERVICES)
    inside = next(c for c in rules["contracts"] if c["name"].startswith("inside a service"))
    assert set(inside["containers"]) == set(EVENT_SOURCED)


@pytest.mark.parametrize("service", EVENT_SOURCED)
def test_every_service_has_the_same_files(service: str) -> None:
    files = {path.name for path in (ROOT / "services" / service).iterdir() if path.is_file()}
    assert files >= TEMPLATE


@pytest.mark.stack
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_no_other_on_disk(service: str, tmp_path: Path) -> None:
    for room in ("contracts", "chassis", "libs", f"services/{service}"):
        shutil.copytree(ROOT / room, tmp_path / room)
    done = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", f"import {service}.app, {service}.settings"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'services'}:{tmp_path / 'libs'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_machine_knows_no_business_word() -> None:
    words = ("invite", "referral", "wallet", "leaderboard", "token_address")
    told = {
        (path.relative_to(ROOT), word)
        for path in (ROOT / "chassis").rglob("*.py")
        for word in words
        if word in path.read_text().lower()
    }
    assert told == set()
