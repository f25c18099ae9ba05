"""Read a recipe of the README and carry it out, as a reader would.

A recipe is a section. Each of its code blocks that follows a line such as "`path`:" changes that
file, and one that follows "`path` (new):" creates it. A change is a diff: lines that begin with `+`
are added, lines that begin with `-` are removed, and the others must be there. `@@ text` begins the
next change, which is somewhere after `text`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(r"^`([\w/.]+)`( \(new\))?:\n\n(`{3,})(\w+)\n(.*?)^\3$", re.DOTALL | re.MULTILINE)


class NotApplicable(Exception):
    """The lines that a recipe refers to are not in the file."""


@dataclass(frozen=True)
class Hunk:
    """One change of a file."""

    after: str
    lines: tuple[str, ...]

    @property
    def before_change(self) -> str:
        return "".join(line[1:] + "\n" for line in self.lines if line[:1] != "+")

    @property
    def after_change(self) -> str:
        return "".join(line[1:] + "\n" for line in self.lines if line[:1] != "-")

    @property
    def added(self) -> str:
        """The first line that it adds."""
        return next(line[1:].strip() for line in self.lines if line[:1] == "+" and line[1:])


@dataclass(frozen=True)
class Step:
    """Create or change one file."""

    path: str
    new: bool
    text: str

    def hunks(self) -> list[Hunk]:
        hunks = [Hunk("", ())]
        for line in self.text.splitlines():
            if line.startswith("@@"):
                hunks.append(Hunk(line[2:].strip(), ()))
            else:
                hunks[-1] = Hunk(hunks[-1].after, (*hunks[-1].lines, line))
        return [hunk for hunk in hunks if hunk.lines]

    def apply(self, root: Path, without: Hunk | None = None) -> None:
        """Change the file in this copy of the repository, except for one hunk.

        Raises:
            NotApplicable: the file does not contain the lines that the step shows, or exists.
        """
        path = root / self.path
        if self.new:
            if path.exists():
                raise NotApplicable(f"{self.path} exists")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text)
            return
        text, place = path.read_text(), 0
        for hunk in self.hunks():
            place = text.find(hunk.after, place)
            found = -1 if place < 0 else text.find(hunk.before_change, place)
            if found < 0:
                raise NotApplicable(f"{self.path}: {hunk.after} {hunk.before_change}")
            if hunk != without:
                end = found + len(hunk.before_change)
                text = text[:found] + hunk.after_change + text[end:]
        path.write_text(text)


def steps(readme: str, title: str) -> Iterator[Step]:
    """Yield the steps of the section with this title."""
    section = readme.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    for path, new, _, _, text in _STEP.findall(section):
        yield Step(path, bool(new), text)
