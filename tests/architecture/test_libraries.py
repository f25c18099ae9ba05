"""Every folder in `libs/` is a library that could live in a repository of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.folders import ROOT, library_names, service_names
from deploy.import_rules import rules
from tests.support.import_rules import report_of_violations

LIBRARIES = library_names()
PRODUCT = {"contracts", "chassis", "deploy", "tests", "benchmarks", "conftest", *service_names()}


def test_every_folder_of_libs_is_a_library() -> None:
    folders = {path.name for path in (ROOT / "libs").iterdir() if path.name[0] not in "._"}
    assert folders == set(LIBRARIES)


def test_the_import_rules_cover_every_library() -> None:
    found = rules()
    named = {contract["name"]: contract for contract in found["contracts"]}
    independence = named["a library imports nothing of this repository, no other library included"]
    forbidden = named["libraries do not know the product"]
    layers = next(c for n, c in named.items() if n.startswith("services use the chassis"))
    assert set(LIBRARIES) <= set(found["root_packages"])
    assert set(independence["modules"]) == set(LIBRARIES)
    assert set(forbidden["source_modules"]) == set(LIBRARIES)
    assert set(forbidden["forbidden_modules"]) == PRODUCT - {"conftest"}
    assert set(layers["layers"][-1].split(" | ")) == set(LIBRARIES)


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_and_its_tests_import_nothing_of_the_repository(library: str) -> None:
    """Unlike the import rules this reads the tests too; they may use `tests.support`."""
    foreign = PRODUCT | set(LIBRARIES) - {library}
    violations = {
        (str(path.relative_to(ROOT)), module)
        for path in (ROOT / "libs" / library).rglob("*.py")
        for module in imported_modules(path)
        if module.partition(".")[0] in foreign
        and not ("tests" in path.parts and module.startswith("tests.support"))
    }
    assert violations == set()


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the import rules on a copy in which every library breaks one of them."""
    neighbours = zip(LIBRARIES, [*LIBRARIES[1:], LIBRARIES[0]], strict=True)
    planted = {
        f"libs/{library}/planted.py": f"import {neighbour}\nimport chassis.decide.decider\n"
        for library, neighbour in neighbours
    }
    return report_of_violations(tmp_path_factory.mktemp("planted"), planted)


@pytest.mark.stack
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_planted_import_breaks_the_rules(library: str, violations: str) -> None:
    neighbour = LIBRARIES[(LIBRARIES.index(library) + 1) % len(LIBRARIES)]
    assert f"{library}.planted -> {neighbour}" in violations
    assert f"{library}.planted -> chassis.decide" in violations
