"""Parse the pages of docs/api, and compare the responses that they show with real ones.

In a response, `…` matches anything, `"…": "…"` further members, a number like 1790000000 any time,
and `$NAME` a value that is the same wherever it is named: the first response that
shows it defines it for all later snippets, as `name` in scripts.
"""

import json
import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
OVERVIEW = DOCS / "api.md"
RESOURCES = tuple(sorted((DOCS / "api").glob("*.md")))
SHELL, SCRIPT = "sh", "js"
ANYTHING = "…"
EARLIEST_TIME = 10**9
_RESPONSES = ("json", "http", "text")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PLACEHOLDER = re.compile(r"(…|\$[A-Z][A-Z_]*)")

Names = MutableMapping[str, str]


@dataclass(frozen=True)
class Snippet:
    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Step:
    """Hold equivalent snippets, and the response that each of them gets."""

    snippets: tuple[Snippet, ...]
    kind: str
    response: str


def steps(page: Path) -> Iterator[Step]:
    text, waiting = page.read_text(), list[Snippet]()
    for fence in _FENCE.finditer(text):
        kind, inside = fence.groups()
        line = text.count("\n", 0, fence.start()) + 1
        if kind in (SHELL, SCRIPT):
            waiting.append(Snippet(kind, inside, line))
        elif kind in _RESPONSES:
            assert waiting, f"{page.name}:{line}: a response without a snippet"
            yield Step(tuple(waiting), kind, inside)
            waiting.clear()
        else:
            assert not kind, f"{page.name}:{line}: fences of {kind} are not checked"
    assert not waiting, f"{page.name}: the last snippet has no response"


def snippets(page: Path) -> list[Snippet]:
    return [snippet for step in steps(page) for snippet in step.snippets]


@dataclass(frozen=True)
class Reply:
    """Hold what a snippet printed, and the head of the last response that it got."""

    head: str
    body: str


def difference(step: Step, reply: Reply, names: Names) -> str | None:
    """Describe the difference; None if the page shows this reply. Defines new names."""
    match step.kind:
        case "json":
            return _diff_values(json.loads(step.response), _json(reply.body), names, "response")
        case "http":
            head, _, body = step.response.partition("\n\n")
            return _diff_heads(head, reply.head, names) or _diff_bodies(body, reply.body, names)
        case _:
            return _diff_texts(step.response, reply.body, names, "output")


def _diff_heads(shown: str, seen: str, names: Names) -> str | None:
    status, *headers = shown.strip().splitlines()
    first, *others = seen.splitlines()
    if status.split()[:2] != first.split()[:2]:  # the words after it change with Python
        return f"status: {first!r}, not {status!r}"
    sent = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in others)}
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() not in sent:
            return f"header {name}: is missing"
        if (found := _diff_texts(value, sent[name.lower()], names, name)) is not None:
            return found
    return None


def _diff_bodies(shown: str, seen: str, names: Names) -> str | None:
    if shown.lstrip().startswith(("{", "[")):
        return _diff_values(json.loads(shown), _json(seen), names, "body")
    return _diff_texts(shown, seen, names, "body")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _diff_values(shown: Any, seen: Any, names: Names, where: str) -> str | None:
    match shown, seen:
        case "…", _:
            return None
        case dict(), dict():
            return _diff_members(shown, seen, names, where)
        case list(), list():
            return _diff_items(shown, seen, names, where)
        case str(), str():
            return _diff_texts(shown, seen, names, where)
        case _:
            return None if _same(shown, seen) else f"{where}: {seen!r}, not {shown!r}"


def _same(shown: Any, seen: Any) -> bool:
    if isinstance(shown, bool) or isinstance(seen, bool):
        return shown is seen
    if type(shown) is int and shown >= EARLIEST_TIME:
        return type(seen) is int and seen >= EARLIEST_TIME
    return bool(shown == seen)


def _diff_members(shown: Any, seen: Any, names: Names, where: str) -> str | None:
    wanted = {name: value for name, value in shown.items() if name != ANYTHING}
    if missing := wanted.keys() - seen.keys():
        return f"{where}: has no {', '.join(sorted(missing))}"
    if ANYTHING not in shown and (further := seen.keys() - wanted.keys()):
        return f"{where}: has {', '.join(sorted(further))} as well"
    pairs = ((f"{where}.{name}", value, seen[name]) for name, value in wanted.items())
    return next((d for w, a, b in pairs if (d := _diff_values(a, b, names, w)) is not None), None)


def _diff_items(shown: Any, seen: Any, names: Names, where: str) -> str | None:
    open_end = shown[-1:] == [ANYTHING]
    wanted = shown[:-1] if open_end else shown
    if len(seen) < len(wanted) or (len(seen) > len(wanted) and not open_end):
        return f"{where}: has {len(seen)} items, not {len(wanted)}"
    pairs = zip(wanted, seen, strict=False)
    found = (_diff_values(a, b, names, f"{where}[{n}]") for n, (a, b) in enumerate(pairs))
    return next((d for d in found if d is not None), None)


def _diff_texts(shown: str, seen: str, names: Names, where: str) -> str | None:
    new: list[str] = []

    def part(text: str) -> str:
        if text == ANYTHING:
            return ".*"
        if not _PLACEHOLDER.fullmatch(text):
            return re.escape(text)
        name = text[1:]
        if name in names:
            return re.escape(names[name])
        if name in new:
            return f"(?P={name})"
        new.append(name)
        return rf"(?P<{name}>[^\s\"]+)"

    pattern = "".join(part(text) for text in _PLACEHOLDER.split(shown.strip()))
    match = re.fullmatch(pattern, seen.strip(), re.DOTALL)
    if match is None:
        return f"{where}: {seen.strip()!r}, not {shown.strip()!r}"
    names.update(match.groupdict())
    return None
