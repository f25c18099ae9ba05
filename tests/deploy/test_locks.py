"""Locks: hashes and no addresses, what ships is what was tested, and every import is declared."""

import ast
import json
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.folders import ROOT, library_names, service_names

SERVICES = service_names()
LOCKS = sorted(ROOT.glob("*.lock")) + sorted(ROOT.glob("services/*/requirements.lock"))
NPM_LOCKS = [
    ROOT / "web" / "package-lock.json",
    *sorted(ROOT.glob("tests/packages/*/package-lock.json")),
]
RECIPES = [ROOT / "Makefile", *sorted((ROOT / ".ci").iterdir())]
UNLOCKED = re.compile(
    r"npm( --?\S+( [^-\s]\S*)?)* (install|add) (?!.*--package-lock-only)"
    r"|npx |pip install (?!.*--require-hashes)"
)
LIBRARIES = library_names()
OWN = {"contracts", "chassis", "deploy", *SERVICES, *LIBRARIES}


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name + lock.stem)
def test_a_lock_holds_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_a_lock_of_npm_holds_hashes_and_no_addresses(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    declared = json.loads((lock.parent / "package.json").read_text())
    assert packages.pop("").get("dependencies", {}) == declared.get("dependencies", {})
    assert packages
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_packages_are_installed_from_locks_only(recipe: Path) -> None:
    lines = recipe.read_text().splitlines()
    assert [line for line in lines if UNLOCKED.search(line)] == []


def test_no_lock_that_records_addresses_is_kept() -> None:
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("service", SERVICES)
def test_what_ships_is_what_was_tested(service: str) -> None:
    tested = pins(ROOT / "requirements-dev.lock")
    shipped = pins(ROOT / "services" / service / "requirements.lock")
    assert shipped
    assert shipped.items() <= tested.items()


@pytest.mark.slow
@pytest.mark.parametrize(
    "package",
    [
        "contracts",
        "chassis",
        *(f"services/{service}" for service in SERVICES),
        *(f"libs/{library}" for library in LIBRARIES),
    ],
)
def test_every_import_is_declared(package: str) -> None:
    declared = {name for path in declares(package) for name in dependencies(path)}
    distributions = packages_distributions()
    undeclared = {
        module
        for module in imports(ROOT / package)
        if module not in OWN | set(sys.stdlib_module_names)
        and not declared & {canonical(name) for name in distributions.get(module, [])}
    }
    assert undeclared == set()


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_ships_with_what_its_libraries_need(service: str) -> None:
    used = imports(ROOT / "chassis") | imports(ROOT / "services" / service)
    needed = {
        name
        for library in used & set(LIBRARIES)
        for name in distributions_of(f"libs/{library}", extras=False)
    }
    shipped = {canonical(name) for name in pins(ROOT / "services" / service / "requirements.lock")}
    assert needed
    assert needed <= shipped


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declares(package: str) -> list[str]:
    """Return the folders whose pyproject.toml may declare what a package imports."""
    match package.partition("/")[0]:
        case "contracts" | "libs":
            return [package]
        case "chassis":
            return ["contracts", "chassis"]
        case _:
            return ["contracts", "chassis", package]


def distributions_of(package: str, *, extras: bool = True) -> set[str]:
    project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {}).values() if extras else ()
    lines = [*project["dependencies"], *(line for extra in optional for line in extra)]
    return {canonical(re.split(r"[\[<>=~;! ]", line)[0]) for line in lines}


def dependencies(package: str) -> set[str]:
    names = distributions_of(package)
    # what comes with another package under its own name
    brought = {"aioboto3": {"aiobotocore", "botocore", "boto3"}, "pyjwt": {"cryptography"}}
    brought |= {
        "faststream": {"fast-depends", "anyio"},
        "pydantic": {"typing-extensions", "pydantic-core"},
    }
    brought |= {"aiobotocore": {"botocore"}, "opentelemetry-sdk": {"opentelemetry-api"}}
    brought |= {"aiohttp": {"multidict", "yarl"}, "redis": {"hiredis"}}
    return names | {extra for name in names for extra in brought.get(name, ())}


def imports(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*.py") if "tests" not in path.relative_to(folder).parts)
    return {module for path in paths for module in imports_of(path)}


@cache
def imports_of(path: Path) -> set[str]:
    """Return the top-level modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found
