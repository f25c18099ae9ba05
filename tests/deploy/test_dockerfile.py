"""The Dockerfile can be built from its context, and agrees with settings, locks and the base.

`make images` builds and runs the images; what follows from reading the file is checked here.
"""

import re
import sys
from fnmatch import translate
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from deploy.folders import GATEWAY, ROOT, library_names, service_names
from deploy.local.settings import settings_class
from tests.deploy.test_locks import OWN, canonical, imports, imports_of, pins

DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = service_names()
OF_PYTHON = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "SERVICE"}
DISTRIBUTIONS = packages_distributions()
SELECTION = r'"^ *(from|import) $(basename $library)\b"'
"""The pattern of the imports by which the Dockerfile selects libraries."""


def instructions(keyword: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return re.findall(rf"^{keyword} +(.+)$", joined, re.MULTILINE)


def environment() -> dict[str, str]:
    return dict(
        assignment.split("=", 1) for line in instructions("ENV") for assignment in line.split()
    )


def sources(service: str) -> list[str]:
    """Return the paths of the repository that the image of a service is built from."""
    lines = [line for line in instructions("COPY") if not line.startswith("--from")]
    return [path.replace("${SERVICE}", service) for line in lines for path in line.split()[:-1]]


def in_context(path: Path) -> bool:
    """Return whether .dockerignore lets a file through: the last rule that matches decides."""
    parts = path.relative_to(ROOT).parts
    paths = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    included = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removesuffix("/")
        glob = re.compile(translate(pattern).replace(".*", "[^/]*"))
        if pattern.startswith("**/"):
            glob = re.compile("(.*/)?" + translate(pattern[3:]).replace(".*", "[^/]*"))
        if any(glob.fullmatch(path) for path in paths):
            included = line.startswith("!")
    return included


@pytest.mark.parametrize("service", SERVICES)
def test_everything_that_is_copied_is_in_the_context(service: str) -> None:
    for source in sources(service):
        path = ROOT / source
        files = [path] if path.is_file() else list(path.rglob("*.*"))
        assert any(in_context(file) for file in files), source


def test_the_context_has_no_tests_and_nothing_of_this_machine() -> None:
    assert in_context(ROOT / "libs" / "tracing" / "__init__.py")
    for left_out in (
        "libs/tracing/tests/test_x.py",
        ".local/stack/service.env",
        ".env",
        "Makefile",
    ):
        assert not in_context(ROOT / left_out), left_out
    assert not in_context(ROOT / "services" / GATEWAY / "__pycache__" / "app.cpython-311.pyc")


def test_the_base_is_pinned_by_digest_and_used_by_every_stage() -> None:
    (base,) = [line for line in instructions("ARG") if line.startswith("BASE=")]
    assert re.fullmatch(r"BASE=python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert {line.split()[0] for line in instructions("FROM")} == {"${BASE}"}


def test_the_image_names_its_user_by_number() -> None:
    """Kubernetes cannot tell whether a user that is named by a word is root, and refuses it."""
    users = instructions("USER")
    assert users
    assert all(re.fullmatch(r"[1-9]\d*", user) for user in users)
    assert f"--uid {users[-1]} " in DOCKERFILE


def test_the_root_file_system_can_be_read_only() -> None:
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert instructions("VOLUME") == ["/tmp"]  # noqa: S108  a folder of the image


def test_every_variable_of_the_image_is_a_setting() -> None:
    fields = {name.upper() for service in SERVICES for name in settings_class(service).model_fields}
    assert set(environment()) - OF_PYTHON <= fields


def test_every_port_that_is_set_is_exposed_and_the_public_one_is_checked() -> None:
    set_ports = {name: value for name, value in environment().items() if name.endswith("_PORT")}
    exposed = {port for line in instructions("EXPOSE") for port in line.split()}
    assert set(set_ports.values()) == exposed
    (check,) = instructions("HEALTHCHECK")
    checked = re.findall(r"127\.0\.0\.1:(\d+)/healthz", check)
    assert checked == [set_ports["HEALTH_PORT"]] == [set_ports["GATEWAY_PORT"]]


def own_files(service: str) -> set[Path]:
    """Return the files of this repository that a service can import, but those of libraries."""
    waiting = {*(ROOT / "chassis").rglob("*.py"), *(ROOT / "services" / service).rglob("*.py")}
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        found.add(path)
        names = re.findall(
            r"^ *from contracts(?:\.(\w+))? import (.+)", path.read_text(), re.MULTILINE
        )
        modules = {name for module, listed in names for name in (module, *listed.split(", "))}
        candidates = {ROOT / "contracts" / f"{module}.py" for module in modules if module}
        waiting |= {path for path in candidates if path.exists()} - found
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_ships_with_every_package_that_it_imports(service: str) -> None:
    assert SELECTION in DOCKERFILE
    used = {module for path in own_files(service) for module in imports_of(path)}
    libraries = used & set(library_names())
    assert libraries
    used |= {module for name in libraries for module in imports(ROOT / "libs" / name)}
    shipped = {canonical(name) for name in pins(ROOT / "services" / service / "requirements.lock")}
    missing = {
        module
        for module in used - OWN - set(sys.stdlib_module_names)
        if not {canonical(name) for name in DISTRIBUTIONS.get(module, [module])} & shipped
    }
    assert missing == set()
