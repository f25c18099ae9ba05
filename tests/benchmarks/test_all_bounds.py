import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.all import HISTORY, PLOT, Result, git, parse, uncommitted
from benchmarks.bounds import Bound
from benchmarks.history_plot import draw


@pytest.mark.parametrize(
    "bound",
    [
        Bound("calls/s, limiter / raw script", 0.91, least=0.9),
        Bound("RSS of compute, idle: now / before", 1.0, most=0.7),
        Bound("SES calls per invitation", 1.0, least=1, most=1),
        Bound("CPU per request: hello / gateway", 0.5, least=0.42, goal=0.55),
        Bound("CPU of gateway and service / bare loop", 0.5, most=0.8, goal=0.5),
        Bound("a name of more than fifty-six characters, which the number follows closely", 2.5),
        Bound("MB of memory, largest - smallest log", 120.25, most=20),
    ],
)
def test_a_printed_bound_is_read_back(bound: Bound) -> None:
    read = parse("some", str(bound))

    if bound.least is None and bound.most is None:
        assert read is None
    else:
        assert read == Result(
            "some",
            bound.name,
            bound.holds,
            bound.measured,
            bound.least,
            bound.most,
            bound.goal,
            bound.reaches_goal,
        )


def test_a_bound_that_misses_its_goal_does_not_pass() -> None:
    signs = {
        measured: read.sign
        for measured in (0.4, 0.5, 0.6)
        if (read := parse("reads", str(Bound("hello", measured, least=0.45, goal=0.55))))
    }
    assert signs == {0.4: "FAIL", 0.5: "MISS", 0.6: "pass"}


def test_other_lines_are_no_bounds() -> None:
    assert parse("some", "  limiter            12,345 calls/s   0.93 of raw") is None


def test_changes_that_are_not_committed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.all.ROOT", tmp_path)
    git("init", "--quiet")
    (tmp_path / "docs" / "benchmarks").mkdir(parents=True)
    (tmp_path / "docs" / "benchmarks" / "history.jsonl").touch()
    assert uncommitted() == ""
    (tmp_path / "changed.py").touch()
    assert uncommitted() == "?? changed.py"


def test_the_stored_plot_is_that_of_the_stored_history(tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    draw(HISTORY, plot)

    assert plot.read_bytes() == PLOT.read_bytes()
    ET.fromstring(plot.read_bytes())  # noqa: S314  our own file


def test_a_history_line_holds_ratios_or_counts_of_a_commit() -> None:
    for line in HISTORY.read_text().splitlines():
        row = json.loads(line)
        assert row.keys() == {
            "commit", "date", "benchmark", "name", "measured", "least", "most",
        }  # fmt: skip
