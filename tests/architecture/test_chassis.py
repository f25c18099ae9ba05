"""The import rules of the chassis place every module, and planted violations break them."""

import pytest

from tests.support.import_rules import report_of_violations

PLANTED = {
    "chassis/log/planted_upward.py": "import chassis.views.projector\n",
    "chassis/views/planted_unplaced.py": "",
    "chassis/views/rebuild/planted_unplaced.py": "",
    "chassis/resilience/planted_upward.py": "import chassis.log.codec\n",
    "chassis/run/planted_one.py": "import chassis.run.planted_other\n",
    "chassis/run/planted_other.py": "import chassis.run.planted_one\n",
}
ADDED = {
    "chassis/views/projection.py": "import chassis.views.projector\n",
    "chassis/views/rebuild/plan.py": "import chassis.views.rebuild.worker\n",
    "chassis/views/boards.py": "import chassis.views.inspection\n",
    "chassis/log/codec.py": "import chassis.log.memory\n",
    "chassis/decide/decider.py": "import chassis.bus.commands\n",
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
    return report_of_violations(tmp_path_factory.mktemp("planted"), PLANTED, ADDED)


@pytest.mark.stack
@pytest.mark.parametrize("violation", REPORTED)
def test_a_planted_import_breaks_the_rules(violation: str, violations: str) -> None:
    assert violation in violations
