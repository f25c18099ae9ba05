"""Private modules of other packages are imported by one adapter module each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("contracts", "chassis", "libs", "services", "deploy", "benchmarks", "tests")
ADAPTERS = {
    "faststream": "libs/faststream_sqs/faststream_internals.py",
    "redis": "libs/redis_batching/redis_internals.py",
    "aiohttp": "services/gateway/edge/aiohttp_internals.py",
    "schemathesis": "tests/gateway/test_description_holds.py",
}
OWN = {
    *(path.name for path in ROOT.iterdir() if path.is_dir()),
    *(path.name for folder in ("libs", "services") for path in (ROOT / folder).iterdir()),
}


def private_imports(source: str) -> Iterator[str]:
    """Yield the modules that a source imports and whose path has a private part."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            package, *parts = module.split(".")
            if package not in OWN and any(is_private(part) for part in parts):
                yield module


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.slow
def test_only_adapters_import_private_modules() -> None:
    violations = {
        (str(path.relative_to(ROOT)), module)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for module in private_imports(path.read_text())
        if ADAPTERS.get(module.partition(".")[0]) != str(path.relative_to(ROOT))
    }
    assert violations == set()


def test_a_private_import_is_found() -> None:
    planted = (
        "import redis._parsers\nfrom faststream._internal import broker\nimport redis.asyncio\n"
    )
    assert set(private_imports(planted)) == {
        "redis._parsers", "faststream._internal", "faststream._internal.broker",
    }  # fmt: skip


def test_every_adapter_of_a_library_has_a_test() -> None:
    for adapter in ADAPTERS.values():
        path = ROOT / adapter
        if path.name.endswith("_internals.py") and path.is_relative_to(ROOT / "libs"):
            assert (path.parent / "tests" / f"test_{path.name}").exists()
