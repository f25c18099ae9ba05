"""Draw the history of all bounds as one SVG: a line for each bound, over the commits measured."""

import json
import math
from collections import defaultdict
from html import escape
from pathlib import Path
from typing import Any, Final

_ROW, _TOP, _LEFT, _WIDE, _RIGHT = 26, 64, 470, 240, 230
"""Pixels: height of a row, its first y, and the widths of names, lines and numbers."""
_RANGE: Final = 4.0
"""A bound that is kept or broken by this factor is drawn at the edge of its row."""
_STYLE: Final = """
text{font:12px system-ui,sans-serif;fill:#59636e}.name{fill:#1f2328}.bad{fill:#d1242f}
.line{fill:none;stroke:#0969da;stroke-width:1.5}.dot{fill:#0969da}.dot.bad{fill:#d1242f}
.limit{stroke:#8c959f;stroke-dasharray:2 3}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.name{fill:#f0f6fc}.bad{fill:#f85149}
.line{stroke:#4493f8}.dot{fill:#4493f8}.dot.bad{fill:#f85149}.limit{stroke:#656c76}}
"""

Row = dict[str, Any]


def draw(history: Path, plot: Path) -> None:
    """Draw `history`, a file of JSON lines, to `plot`; the same lines give the same bytes."""
    rows = [json.loads(line) for line in history.read_text().splitlines()]
    commits = [commit for _, commit in sorted({(row["date"], row["commit"]) for row in rows})]
    series: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in rows:  # a later measurement of a commit replaces an earlier one
        series[row["benchmark"], row["name"]][row["commit"]] = row
    height = _TOP + _ROW * len(series) + 10
    width = _LEFT + _WIDE + _RIGHT
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img">'
        ),
        "<title>Measured ratios and counts over commits, compared with their bounds</title>",
        f"<style>{_STYLE}</style>",
        (
            '<text x="8" y="20">Dashed: the bound. Above it holds, below it is broken '
            f"(logarithmic, at most {_RANGE:g} times).</text>"
        ),
        *_commit_names(commits),
    ]
    for number, ((benchmark, name), found) in enumerate(sorted(series.items())):
        parts += _row(_TOP + _ROW * number, f"{benchmark}: {name}", commits, found)
    plot.write_text("\n".join([*parts, "</svg>", ""]))


def _commit_names(commits: list[str]) -> list[str]:
    return [
        f'<text x="{_x(number, len(commits)):.1f}" y="44" text-anchor="middle">{commit}</text>'
        for number, commit in enumerate(commits)
    ]


def _row(top: int, title: str, commits: list[str], found: dict[str, Row]) -> list[str]:
    middle = top + _ROW / 2
    points = [
        (_x(number, len(commits)), middle - (_ROW / 2 - 4) * _margin(found[commit]), found[commit])
        for number, commit in enumerate(commits)
        if commit in found
    ]
    last = points[-1][2]
    bad = "" if _margin(last) >= 0 else " bad"
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    number_x = _LEFT + _WIDE + 10
    return [
        f'<text class="name" x="8" y="{middle + 4:.1f}">{escape(title)}</text>',
        (
            f'<line class="limit" x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{middle:.1f}" '
            f'y2="{middle:.1f}"/>'
        ),
        f'<polyline class="line" points="{line}"/>',
        *(
            f'<circle class="dot{"" if _margin(row) >= 0 else " bad"}" cx="{x:.1f}" cy="{y:.1f}" '
            f'r="2.5"><title>{row["commit"]}: {row["measured"]:g}</title></circle>'
            for x, y, row in points
        ),
        f'<text class="name{bad}" x="{number_x}" y="{middle + 4:.1f}">{last["measured"]:g}</text>',
        f'<text x="{number_x + 50}" y="{middle + 4:.1f}">{_limit(last)}</text>',
    ]


def _x(number: int, commits: int) -> float:
    return _LEFT + _WIDE * (number + 0.5) / commits


def _margin(row: Row) -> float:
    """Return by how much a bound holds: 1 by `_RANGE` times or more, 0 just so, below 0 broken."""
    measured = max(float(row["measured"]), 1e-9)
    factors = [measured / row["least"]] if row["least"] else []
    factors += [row["most"] / measured] if row["most"] is not None else []
    factor = max(min(factors, default=1.0), 1e-9)
    return max(-1.0, min(1.0, math.log(factor) / math.log(_RANGE)))


def _limit(row: Row) -> str:
    limits = [f"at least {row['least']:g}"] if row["least"] is not None else []
    limits += [f"at most {row['most']:g}"] if row["most"] is not None else []
    return " and ".join(limits)
