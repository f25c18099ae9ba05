"""Texts and names use plain modern English: certain words are banned in code and documentation."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = [
    "services", "chassis", "libs", "contracts", "deploy", "benchmarks", "docs", "tests", "web/src",
    "README.md", "Makefile", "conftest.py", "pyproject.toml",
]  # fmt: skip
SUFFIXES = {".py", ".md", ".lua", ".mjs", ".yaml", ".yml", ".j2", ".toml", ".in", ".ts", ".tsx", ""}
BANNED = (
    "nobody|whoever|whomever|somebody|everybody|told|telling|whole|stands|standing|forgo|heed"
    "|forgoes|heeds|beside|wish|wishes|wished|lest|anew|whence|thereof|bygone|the own"
)
_BANNED = re.compile(rf"(?<![a-z])(?:{BANNED})(?![a-z])", re.IGNORECASE)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
ALLOWED = {
    "StandingView": "a stored type, which names the read model of points",
    "long_standing": "a component of stored assessments",
    'StreamCategory("nobody")': "a prefix of stored stream ids",
}
"""Text that may contain a banned word -> the reason."""
EXEMPT = {Path(__file__), ROOT / "tests" / "contracts" / "golden"}
"""The list itself, and samples of stored messages."""


def files(part: Path) -> Iterator[Path]:
    for path in [part] if part.is_file() else sorted(part.rglob("*")):
        hidden = any(name.startswith((".", "__")) for name in path.relative_to(ROOT).parts[:-1])
        exempt = not EXEMPT.isdisjoint({path, *path.parents})
        if path.is_file() and path.suffix in SUFFIXES and not hidden and not exempt:
            yield path


def banned_words(text: str) -> list[str]:
    """Return the banned words of a text, also those that are parts of identifiers."""
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return _BANNED.findall(_WORDS.sub(" ", text.replace("_", " ")))


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_no_banned_word_is_used(part: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {', '.join(words)}"
        for path in files(ROOT / part)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (words := banned_words(line))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nobody is told.", ["Nobody", "told"]),
        ("def tell_whoever_asks", ["whoever"]),
        ("class WholeAnswer", ["Whole"]),
        ("Return the own account.", ["the own"]),
        ("StandingView, standing", ["standing"]),
        ("standings, foretold, wholesale, outstanding", []),
    ],
)
def test_banned_words_are_found(text: str, expected: list[str]) -> None:
    assert banned_words(text) == expected
