"""The import rules of the gateway cover every module, and planted violations break them."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = "gateway: assembly, then features and middleware, then authorization and limits, then HTTP"
TYPE_ONLY = """from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gateway.http.planted_one
"""
PLANTED = {
    "http/planted_upward.py": "import gateway.edge.cors\n",
    "http/planted_feature.py": "import gateway.api.accounts\n",
    "auth/planted_sideways.py": "import gateway.limits.table\n",
    "api/planted_middleware.py": "import gateway.edge.metrics\n",
    "api/planted_settings.py": "import gateway.settings\n",
    "edge/planted_feature.py": "import gateway.api.accounts\n",
    "http/planted_one.py": "import gateway.http.planted_other\n",
    "http/planted_other.py": TYPE_ONLY,
}
REPORTED = [
    "gateway.http.planted_upward -> gateway.edge.cors",
    "gateway.http.planted_feature -> gateway.api.accounts",
    "gateway.auth.planted_sideways -> gateway.limits.table",
    "gateway.api.planted_middleware -> gateway.edge.metrics",
    "gateway.api.planted_settings -> gateway.settings",
    "gateway.edge.planted_feature -> gateway.api.accounts",
    ".planted_other -> .planted_one",
]


def test_the_layers_place_every_module_of_the_gateway() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contract = next(c for c in rules["contracts"] if c["name"] == LAYERS)
    placed = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    gateway = ROOT / "services" / "gateway"
    packages = {path.parent.name for path in gateway.glob("*/__init__.py")}
    modules = {path.stem for path in gateway.glob("*.py")} - {"__init__"}
    assert placed == packages | modules
    assert contract["exhaustive"]


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the import rules on a copy with planted imports."""
    copy = tmp_path_factory.mktemp("planted")
    for folder in ("contracts", "chassis", "libs", "services", "deploy"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in PLANTED.items():
        (copy / "services" / "gateway" / name).write_text(text)
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


@pytest.mark.stack
@pytest.mark.parametrize("violation", REPORTED)
def test_a_planted_import_breaks_the_rules(violation: str, violations: str) -> None:
    assert violation in violations
