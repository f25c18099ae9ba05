"""The import rules of the chassis place every module, and planted violations break them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = {
    "log/planted_upward.py": "import chassis.views.projector\n",
    "views/planted_unplaced.py": "",
    "views/rebuild/planted_unplaced.py": "",
    "resilience/planted_upward.py": "import chassis.log.codec\n",
    "run/planted_one.py": "import chassis.run.planted_other\n",
    "run/planted_other.py": "import chassis.run.planted_one\n",
}
ADDED = {
    "views/projection.py": "import chassis.views.projector\n",
    "views/rebuild/plan.py": "import chassis.views.rebuild.worker\n",
    "views/boards.py": "import chassis.views.inspection\n",
    "log/codec.py": "import chassis.log.memory\n",
    "decide/decider.py": "import chassis.bus.commands\n",
}
REPORTED = [
    "chassis.log.planted_upward -> chassis.views.projector",
    "chassis.resilience.planted_upward -> chassis.log.codec",
    "chassis.views.projection -> chassis.views.projector",
    "chassis.views.rebuild.plan -> chassis.views.rebuild.worker",
    "chassis.views.boards -> chassis.views.inspection",
    "chassis.log.codec -> chassis.log.memory",
    "chassis.decide.decider -> chassis.bus.commands",
    ".planted_other -> .planted_one",
    "chassis.views.planted_unplaced",
    "chassis.views.rebuild.planted_unplaced",
]


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the import rules on a copy with planted imports and modules."""
    copy = tmp_path_factory.mktemp("planted")
    for folder in ("contracts", "chassis", "libs", "services", "deploy"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in PLANTED.items():
        (copy / "chassis" / name).write_text(text)
    for name, text in ADDED.items():
        module = copy / "chassis" / name
        module.write_text(module.read_text() + text)
    done = subprocess.run(  # noqa: S603  our own checker
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": f"{copy / 'services'}:{copy / 'libs'}:{copy}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("violation", REPORTED)
def test_a_planted_import_breaks_the_rules(violation: str, violations: str) -> None:
    assert violation in violations
