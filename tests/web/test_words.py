"""The pages have the same texts in each language."""

import json
import re
from pathlib import Path

import pytest

from deploy.folders import ROOT

PARTS = sorted(path.parent for path in (ROOT / "web" / "src").glob("*/words/en.json"))
FORMS = re.compile(r"_(one|other)$")


def texts(part: Path, language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((part / f"{language}.json").read_text())
    return found


def test_there_are_parts_with_words() -> None:
    assert {part.parent.name for part in PARTS} >= {"member", "shared"}


@pytest.mark.parametrize("language", ["de", "fr"])
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.parent.name)
def test_a_language_has_every_text_with_its_values(part: Path, language: str) -> None:
    english, translated = texts(part, "en"), texts(part, language)
    assert list(translated) == list(english)
    for key, text in english.items():
        assert values(translated[key]) == values(text), key
        assert translated[key].strip(), key


@pytest.mark.parametrize(
    ("prefix", "stated"),
    [
        ("limit", r'(?:UnknownPart\(|Limit\(\s+code=)"(\w+)"'),
        ("limit", r'TRANSFERS_INCOMPLETE: Final = "(\w+)"'),
        ("warning", r'(?:TRANSFERS_INCOMPLETE|NO_ARCHIVE): Final = "(\w+)"'),
        ("warning", r'warnings(?:\.append\(| = \[\] if \S+ else \[)"(\w+)"'),
        ("flag", r'_flag\("(\w+)"'),
    ],
)
def test_every_code_of_a_report_has_a_text(prefix: str, stated: str) -> None:
    """Compute states the codes as literals, next to their English texts."""
    sources = (path.read_text() for path in (ROOT / "services" / "compute").rglob("*.py"))
    codes = {code for source in sources for code in re.findall(stated, source)}
    words = texts(ROOT / "web" / "src" / "token" / "words", "en")
    assert codes
    assert {f"{prefix}_{code}" for code in codes} - set(words) == set()


def test_every_problem_that_has_a_text_exists() -> None:
    """A code that was renamed would be explained in English without notice."""
    folders = ("contracts", "services")
    sources = [path.read_text() for each in folders for path in (ROOT / each).rglob("*.py")]
    shared = texts(ROOT / "web" / "src" / "shared" / "words", "en")
    codes = {key.removeprefix("problem_") for key in shared if key.startswith("problem_")}
    unknown = {code for code in codes if not any(f'"{code}"' in source for source in sources)}
    assert unknown == {"429", "503"}  # statuses, for codes without a text


def values(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.parent.name)
def test_a_text_with_forms_has_both(part: Path) -> None:
    for key in texts(part, "en"):
        if FORMS.search(key):
            assert {FORMS.sub("_one", key), FORMS.sub("_other", key)} <= set(texts(part, "en"))


def test_no_source_turns_text_into_markup() -> None:
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(")
    for path in (ROOT / "web" / "src").rglob("*.ts*"):
        assert not forbidden.search(path.read_text()), path.name
