"""Services have the same files, need no other service, and are subject to the import rules."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.folders import ROOT, event_sourced_names, service_names
from deploy.import_rules import rules
from tests.support.import_rules import report_of_violations

SERVICES = service_names()
EVENT_SOURCED = event_sourced_names()
PLANTED = {
    "contracts/planted.py": "",
    "services/planted/__init__.py": "",
    "services/planted/__main__.py": "import planted.app\n",
    "services/planted/app.py": "import planted.handlers\nimport referrals.points\nimport deploy\n",
    "services/planted/handlers.py": "import planted.domain\n",
    "services/planted/domain.py": "import planted.app\nimport chassis.log.dynamodb\n",
    "services/planted/projections.py": "",
    "services/planted/settings.py": "",
}
REPORTED = [
    "planted.app -> referrals.points",
    "planted.app -> deploy",
    "planted.domain -> planted.app",
    "planted.domain -> chassis.log.dynamodb",
]
TEMPLATE = {
    "__init__.py", "__main__.py", "settings.py", "domain.py", "handlers.py", "projections.py",
    "app.py", "pyproject.toml", "requirements.lock",
}  # fmt: skip


def test_every_folder_of_services_is_a_service() -> None:
    folders = {path.name for path in (ROOT / "services").iterdir() if path.name[0] not in "._"}
    assert folders == set(SERVICES)


def test_the_import_rules_know_every_service() -> None:
    found = rules()
    assert set(SERVICES) <= set(found["root_packages"])
    layers = next(c for c in found["contracts"] if c["name"].startswith("services use the chassis"))
    assert set(layers["layers"][0].split(" | ")) == set(SERVICES)
    inside = next(c for c in found["contracts"] if c["name"].startswith("inside a service"))
    assert set(inside["containers"]) == set(EVENT_SOURCED)


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the import rules on a copy with a new service that breaks them."""
    return report_of_violations(tmp_path_factory.mktemp("planted"), PLANTED)


@pytest.mark.stack
@pytest.mark.parametrize("violation", REPORTED)
def test_a_new_service_is_subject_to_the_import_rules(violation: str, violations: str) -> None:
    assert violation in violations


@pytest.mark.parametrize("service", EVENT_SOURCED)
def test_every_service_has_the_same_files(service: str) -> None:
    files = {path.name for path in (ROOT / "services" / service).iterdir() if path.is_file()}
    assert files >= TEMPLATE


@pytest.mark.stack
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_be_imported_without_the_other_services(service: str, tmp_path: Path) -> None:
    for folder in ("contracts", "chassis", "libs", f"services/{service}"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    done = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", f"import {service}.app, {service}.settings"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path / 'services'}:{tmp_path / 'libs'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_chassis_uses_no_business_word() -> None:
    words = ("invite", "referral", "wallet", "leaderboard", "token_address")
    used = {
        (path.relative_to(ROOT), word)
        for path in (ROOT / "chassis").rglob("*.py")
        for word in words
        if word in path.read_text().lower()
    }
    assert used == set()
