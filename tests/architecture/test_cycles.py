"""Check that no package has an import cycle, imports for type checking included."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    [
        "chassis",
        "contracts",
        "deploy",
        *(path.parent.name for path in (ROOT / "services").glob("*/__init__.py")),
        *(path.parent.name for path in (ROOT / "libs").glob("*/__init__.py")),
    ]
)
FASTSTREAM_SHAPE = "faststream_sqs"
"""Its modules refer to each other as those of FastStream's own brokers do."""

Imports = Mapping[str, set[str]]


@pytest.fixture(scope="module")
def imports() -> Imports:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    return {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}


def reachable(imports: Imports, start: str) -> set[str]:
    found: set[str] = set()
    open_modules = [start]
    while open_modules:
        for name in imports[open_modules.pop()] - found:
            found.add(name)
            open_modules.append(name)
    return found


def in_cycles(imports: Imports) -> Iterator[str]:
    for name in imports:
        if name in reachable(imports, name):
            yield name


def test_no_module_imports_itself_through_others(imports: Imports) -> None:
    cyclic = {name for name in in_cycles(imports) if not name.startswith(f"{FASTSTREAM_SHAPE}.")}
    assert cyclic == set()


def test_a_cycle_is_found() -> None:
    assert set(in_cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_no_module_of_a_service_is_longer_than_250_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / "services").rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 250} == {}
