"""Check the import rules of pyproject.toml, which know every service, contract and library.

`python -m deploy.import_rules` (`make imports`) replaces the placeholders of the rules by the
folders that exist, and runs `lint-imports` with its arguments on the result:

    @services       every service
    @event_sourced  the services that own an event log
    @contracts      the contract module of each of these
    @libraries      every library of libs/

In `layers` the names of a placeholder are siblings of one layer, elsewhere entries of the list.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deploy.folders import ROOT, event_sourced_names, library_names, service_names

Rules = dict[str, Any]
_PYPROJECT: Final = ROOT / "pyproject.toml"


def rules() -> Rules:
    """Return the configuration of import-linter, without placeholders."""
    stored: Rules = tomllib.loads(_PYPROJECT.read_text())["tool"]["importlinter"]
    names = _placeholders()
    contracts = [_expanded(contract, names) for contract in stored["contracts"]]
    return {**_expanded(stored, names), "contracts": contracts}


def _placeholders() -> dict[str, list[str]]:
    event_sourced = event_sourced_names()
    return {
        "@services": list(service_names()),
        "@event_sourced": list(event_sourced),
        "@contracts": [f"contracts.{name}" for name in event_sourced],
        "@libraries": list(library_names()),
    }


def _expanded(table: Rules, names: Mapping[str, list[str]]) -> Rules:
    return {
        key: _layers(value, names) if key == "layers" else _entries(value, names)
        for key, value in table.items()
    }


def _layers(layers: list[str], names: Mapping[str, list[str]]) -> list[str]:
    return [" | ".join(names.get(layer, [layer])) for layer in layers]


def _entries(value: Any, names: Mapping[str, list[str]]) -> Any:
    if not isinstance(value, list):
        return value
    return [name for entry in value for name in names.get(str(entry), [entry])]


def _toml(found: Rules) -> str:
    """Return the rules as a file for import-linter; strings in JSON are strings in TOML."""
    lines = ["[tool.importlinter]", *_assignments(found)]
    for contract in found["contracts"]:
        lines += ["[[tool.importlinter.contracts]]", *_assignments(contract)]
    return "\n".join(lines) + "\n"


def _assignments(table: Rules) -> list[str]:
    return [f"{key} = {json.dumps(value)}" for key, value in table.items() if key != "contracts"]


def main() -> int:
    """Run `lint-imports` on the rules; return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "import_rules.toml"
        config.write_text(_toml(rules()))
        program = Path(sys.executable).with_name("lint-imports")
        arguments = [str(program), "--config", str(config), *sys.argv[1:]]
        return subprocess.run(arguments, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
