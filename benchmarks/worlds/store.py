"""Keep what was measured in a file, so that an interrupted command goes on where it ended."""

from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.worlds.judge import JudgedCluster, Verdict
from benchmarks.worlds.results import Measured, Result
from benchmarks.worlds.scenario import Scenario, Split

_ROOT: Final = Path(__file__).parents[2]
_SOURCES: Final = ("benchmarks/worlds", "services/compute", "contracts")


@dataclass
class Store:
    """Store results line by line; those of other code are dropped."""

    path: Path | None
    """None to store nothing."""
    options: str
    """All that changes results, apart from the scenario and the split."""
    _found: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        records = [(line, orjson.loads(line)) for line in lines]
        current = [each for each in records if each[1]["code"] == code_version()]
        self._found = {record["key"]: record for _, record in current}
        if len(current) < len(records):
            self.path.write_bytes(b"".join(line for line, _ in current))

    def stored(self, scenario: Scenario, split: Split | None) -> Result | None:
        """Return the result of a scenario; None if it is not stored."""
        record = self._found.get(self._key(scenario, split))
        if record is None:
            return None
        worlds = [
            Measured(_verdict(each["verdict"]), each["calls"], each["seconds"])
            for each in record["worlds"]
        ]
        without = {signal: _verdict(each) for signal, each in record["without"].items()}
        return Result(scenario, worlds, without)

    def add(self, result: Result, split: Split | None) -> None:
        """Store a result, unless it is stored."""
        key = self._key(result.scenario, split)
        if self.path is None or key in self._found:
            return
        record = {
            "key": key, "code": code_version(), "worlds": result.worlds, "without": result.without,
        }  # fmt: skip
        with self.path.open("ab") as file:
            file.write(orjson.dumps(record) + b"\n")

    def _key(self, scenario: Scenario, split: Split | None) -> str:
        return f"{scenario.name} {scenario.seeds(split)} {self.options}"


@cache
def code_version() -> str:
    """Return a hash of the code that results depend on."""
    digest = sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _verdict(stored: dict[str, Any]) -> Verdict:
    clusters = tuple(JudgedCluster(**each) for each in stored["clusters"])
    return Verdict(**{**stored, "clusters": clusters})
