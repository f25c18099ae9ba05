"""The import rules of the gateway cover every module, and planted violations break them."""

import pytest

from deploy.folders import ROOT
from deploy.import_rules import rules
from tests.support.import_rules import report_of_violations

LAYERS = "gateway: assembly, then features and middleware, then authorization and limits, then HTTP"
TYPE_ONLY = """from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import gateway.http.planted_one
"""
PLANTED = {
    "services/gateway/http/planted_upward.py": "import gateway.edge.cors\n",
    "services/gateway/http/planted_feature.py": "import gateway.api.accounts\n",
    "services/gateway/auth/planted_sideways.py": "import gateway.limits.table\n",
    "services/gateway/api/planted_middleware.py": "import gateway.edge.metrics\n",
    "services/gateway/api/planted_settings.py": "import gateway.settings\n",
    "services/gateway/edge/planted_feature.py": "import gateway.api.accounts\n",
    "services/gateway/http/planted_one.py": "import gateway.http.planted_other\n",
    "services/gateway/http/planted_other.py": TYPE_ONLY,
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
    contract = next(c for c in rules()["contracts"] if c["name"] == LAYERS)
    placed = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    gateway = ROOT / "services" / "gateway"
    packages = {path.parent.name for path in gateway.glob("*/__init__.py")}
    modules = {path.stem for path in gateway.glob("*.py")} - {"__init__"}
    assert placed == packages | modules
    assert contract["exhaustive"]


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the import rules on a copy with planted imports."""
    return report_of_violations(tmp_path_factory.mktemp("planted"), PLANTED)


@pytest.mark.stack
@pytest.mark.parametrize("violation", REPORTED)
def test_a_planted_import_breaks_the_rules(violation: str, violations: str) -> None:
    assert violation in violations
