"""The compose file is valid, complete, and exposes no port (checked without containers)."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from chassis.run.settings import ServiceSettings
from deploy.folders import ROOT
from deploy.local.provision import service_environment
from deploy.local.settings import SERVICES, settings_class

SETTINGS = {service: settings_class(service) for service in SERVICES}
NAMES = {
    "people/user-pool-id": "p",
    "people/client-id": "c",
    "people/service-client-id": "s",
    "people/issuer": "https://i/p",
    "compute/segments-bucket": "b",
    "mail/configuration-set": "m",
}
"""What the services' environment is made of, as the stacks publish it."""

Compose = dict[str, Any]


@pytest.fixture
def compose() -> Compose:
    loaded: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def complaints(compose: Compose) -> list[str]:
    """Describe all faults of a compose file."""
    return [
        f"{name}: {said}"
        for check in (unpinned, open_ports, missing_paths, lacks_health_check, unset)
        for name, service in compose["services"].items()
        for said in check(name, service)
    ]


def unpinned(_name: str, service: Compose) -> list[str]:
    image = service.get("image", "")
    built = "build" in service
    return [] if built or re.search(r":\d", image) else [f"image {image!r} has no version"]


def open_ports(_name: str, service: Compose) -> list[str]:
    ports = service.get("ports", [])
    return [f"{port} is not on loopback" for port in ports if not port.startswith("127.0.0.1:")]


def missing_paths(_name: str, service: Compose) -> list[str]:
    mounted = [mount.split(":")[0] for mount in service.get("volumes", [])]
    paths = [ROOT / path for path in mounted if path.startswith(".")]
    if "build" in service:
        arguments = service["build"].get("args", {})
        paths += [ROOT / service["build"]["context"] / path for path in copied(arguments)]
    return [f"{path.relative_to(ROOT)} does not exist" for path in paths if not path.exists()]


def copied(arguments: dict[str, str]) -> list[str]:
    """Return the paths of the repository that the Dockerfile copies, for these arguments."""
    text = dockerfile()
    for name, value in arguments.items():
        text = text.replace(f"${{{name}}}", value)
    return re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)


def lacks_health_check(name: str, service: Compose) -> list[str]:
    seen = "healthcheck" in service or ("build" in service and "HEALTHCHECK" in dockerfile())
    return [] if seen else [f"{name} has no health check"]


def unset(name: str, service: Compose) -> list[str]:
    """Report settings without a default that neither the file, the image nor a stack sets."""
    if name not in SETTINGS:
        return []
    given = set(service.get("environment", {}))
    given |= set(re.findall(r"^\s*(?:ENV )?([A-Z_]+)=", dockerfile(), re.MULTILINE))
    if "/run/vouch/service.env" in " ".join(service.get("command", [])):
        given |= set(service_environment("http://aws:4566", "vouch", "redis://redis", NAMES))
    required = {f.upper() for f, i in SETTINGS[name].model_fields.items() if i.is_required()}
    # their defaults are correct on a developer's machine and wrong in a container
    required |= {"REDIS_URL", "AWS_ENDPOINT_URL"}
    required |= {"HEALTH_HOST"} if issubclass(SETTINGS[name], ServiceSettings) else {"GATEWAY_HOST"}
    return [f"{variable} is not set" for variable in sorted(required - given)]


def parsed(text: str) -> PyCompose:
    """Parse by way of JSON: merge keys (`<<`) belong to YAML; the specification has none."""
    return PyCompose.from_json(json.dumps(yaml.safe_load(text)))


def test_the_compose_file_is_valid() -> None:
    parsed((ROOT / "docker-compose.yml").read_text()).validate()


@pytest.mark.parametrize(
    ("valid", "invalid"),
    [
        ("condition: service_healthy", "condition: service_lucky"),
        ("  provisioned:\n", "  forgotten:\n"),
        ("retries: 30", "retries: often"),
    ],
)
def test_an_invalid_compose_file_is_rejected(valid: str, invalid: str) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert valid in text
    with pytest.raises(ValueError, match=r".+"):
        parsed(text.replace(valid, invalid)).validate()


def test_all_services_are_configured_and_none_is_exposed(compose: Compose) -> None:
    assert set(SETTINGS) <= set(compose["services"])
    assert complaints(compose) == []


def test_every_service_runs_without_privileges_on_a_read_only_root(compose: Compose) -> None:
    for name in SETTINGS:
        service = compose["services"][name]
        assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])  # noqa: S108  there
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_service_waits_for_the_deployed_stacks(compose: Compose) -> None:
    for name in SETTINGS:
        waits = compose["services"][name]["depends_on"]
        assert waits["provision"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("service", SETTINGS)
def test_every_image_can_send_traces(service: str) -> None:
    locked = (ROOT / "services" / service / "requirements.lock").read_text()
    assert "\nopentelemetry-exporter-otlp-proto-http==" in locked


@pytest.mark.stack
@pytest.mark.parametrize("name", ["provision", "chain"])
def test_a_container_can_import_the_local_program_that_it_runs(
    name: str, compose: Compose, tmp_path: Path
) -> None:
    container = compose["services"][name]
    for folder in (*copied(container["build"]["args"]), "deploy"):
        if (ROOT / folder).is_dir():
            shutil.copytree(
                ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
            )
    module = container["command"][2]
    if (ROOT / module.replace(".", "/")).is_dir():
        module += ".__main__"
    program = (
        f"import {module}; from deploy.local.settings import LocalSettings;"
        "assert LocalSettings().gateway_url"
    )
    done = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ
        | dict(re.findall(r"^ *(\w+_PORT)=(\d+)", dockerfile(), re.MULTILINE))
        | {"PYTHONPATH": f"{tmp_path / 'services'}:{tmp_path / 'libs'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _unpin(services: Compose) -> None:
    services["redis"]["image"] = "valkey/valkey:latest"


def _open(services: Compose) -> None:
    services["gateway"]["ports"] = ["8080:8080"]


def _rename(services: Compose) -> None:
    services["invites"]["build"]["args"]["SERVICE"] = "invitations"


def _forget(services: Compose) -> None:
    del services["gateway"]["command"]


def _unmount(services: Compose) -> None:
    services["provision"]["volumes"] = ["./deployment:/app/deploy:ro"]


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (_unpin, "has no version"),
        (_open, "not on loopback"),
        (_rename, "does not exist"),
        (_forget, "COGNITO_ISSUER is not set"),
        (_unmount, "does not exist"),
    ],
)
def test_each_check_can_fail(
    compose: Compose, damage: Callable[[Compose], None], complaint: str
) -> None:
    damaged = copy.deepcopy(compose)
    damage(damaged["services"])
    assert any(complaint in reported for reported in complaints(damaged))
