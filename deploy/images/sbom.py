"""Describe the contents of an image as CycloneDX: packages of Python and Debian, with hashes.

python -m deploy.images.sbom referrals contents.json

writes .local/images/referrals.cdx.json. `contents.json` is what contents.py prints in the image.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from deploy.folders import ROOT, service_names
from deploy.images.folders import IMAGES, SBOM_ENVIRONMENT

Json = dict[str, Any]
_VALIDATE: Final = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(str(error) if error else 0)
"""


class NotLocked(Exception):
    """An image contains a package in a version that its lock does not have."""


def write_sbom(service: str, contents: Json) -> Path:
    """Write the SBOM of a service's image; return its file.

    Raises:
        NotLocked: a package of Python is not the one of the lock.
        subprocess.CalledProcessError: CycloneDX's schema rejects the document.
    """
    lock = ROOT / "services" / service / "requirements.lock"
    form = ["--spec-version", "1.6", "--output-reproducible", "--output-format", "JSON"]
    described = _run("cyclonedx-py", "requirements", *form, str(lock))
    document = json.dumps(merged(service, json.loads(described), contents), indent=1) + "\n"
    _run("python", "-c", _VALIDATE, given=document)
    file = IMAGES / f"{service}.cdx.json"
    file.write_text(document)
    return file


def merged(service: str, locked: Json, contents: Json) -> Json:
    """Return the document of an image, from that of its lock and from what is installed.

    A lock is for all platforms; packages that were not installed on this one are left out.

    Raises:
        NotLocked: a package of Python is not the one of the lock.
    """
    image = f"vouch-{service}"
    components = [
        {"type": "operating-system", "name": "debian", "version": contents["debian"]},
        _component("python", contents["python"], "generic"),
        *_python_packages(locked["components"], contents["distributions"]),
        *(
            _component(
                package["name"],
                package["version"],
                "deb/debian",
                f"?arch={package['arch']}&distro={contents['debian']}",
            )
            for package in contents["packages"]
        ),
    ]
    for component in components:
        component["bom-ref"] = component.get("purl", component["name"])
    references = [component["bom-ref"] for component in components]
    return {
        **{name: locked[name] for name in ("$schema", "bomFormat", "specVersion", "version")},
        "metadata": {
            **locked["metadata"],
            "component": {"type": "container", "name": image, "bom-ref": image},
        },
        "components": components,
        "dependencies": [{"ref": image, "dependsOn": references}],
    }


def _component(name: str, version: str, kind: str, qualifiers: str = "") -> Json:
    purl = f"pkg:{kind}/{quote(name)}@{quote(version)}{qualifiers}"
    return {"type": "library", "name": name, "version": version, "purl": purl}


def _python_packages(locked: list[Json], installed: Mapping[str, str]) -> list[Json]:
    versions = {_canonical(name): version for name, version in installed.items()}
    chosen = [
        {name: value for name, value in component.items() if name != "description"}
        for component in locked
        if versions.get(_canonical(component["name"])) == component["version"]
    ]
    missing = set(versions) - {_canonical(component["name"]) for component in chosen}
    if missing:
        raise NotLocked(f"not as in the lock: {', '.join(sorted(missing))}")
    return chosen


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(program: str, *arguments: str, given: str = "") -> str:
    command = [str(SBOM_ENVIRONMENT / "bin" / program), *arguments]
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> None:
    """Write the SBOM of an image whose contents are in a file."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images.sbom")
    parser.add_argument("service", choices=service_names())
    parser.add_argument("contents", type=Path)
    arguments = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    print(write_sbom(arguments.service, json.loads(arguments.contents.read_text())))


if __name__ == "__main__":
    main()
