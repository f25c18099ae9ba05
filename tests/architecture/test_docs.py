"""The documentation agrees with itself: numbers, index, links and names of tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Evidence"]
DOCUMENTS = sorted(
    path
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "libs").glob("*/*.md"),
    ]
)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
WORDS = {
    word
    for folder in ("chassis", "libs", "services", "contracts", "deploy")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".yaml", ".lua"}
    for word in re.findall(r"\w+", path.read_text())
}
_TEST = re.compile(r"`((?:tests|libs/\w+/tests)/[\w/]+\.py)(?:::(\w+))?`")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub derives them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def test_decisions_are_numbered_consecutively() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_the_usual_sections(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert lines[0].startswith(f"# {int(page.name[:4])}. ")
    assert [line[3:] for line in lines if line.startswith("## ")] == SECTIONS


def test_the_index_lists_each_decision_with_its_title() -> None:
    listed = re.findall(
        r"^- \[(.+)\]\((.+)\)$", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    titles = [(page.read_text().splitlines()[0].removeprefix("# "), page.name) for page in PAGES]
    assert listed == titles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_names_tests_that_exist(page: Path) -> None:
    for path, test in _TEST.findall(page.read_text()):
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{path}::{test}"


def rows_of_faults() -> list[tuple[str, str]]:
    """Return (fault, cell of tests) of each row of docs/faults.md."""
    table = re.compile(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
    rows = table.findall((ROOT / "docs" / "faults.md").read_text())
    return [(fault, tests) for fault, tests in rows if fault != "fault"]


@pytest.mark.parametrize(("fault", "tests"), rows_of_faults())
def test_each_fault_names_the_tests_that_show_what_happens(fault: str, tests: str) -> None:
    named = _TEST.findall(tests)
    assert ", ".join(f"`{path}::{test}`" for path, test in named) == tests, fault
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), test


def test_every_line_of_the_tables_of_faults_is_a_row() -> None:
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    tables = sum(line == "|---|---|---|" for line in lines)
    assert sum(line.startswith("|") for line in lines) == len(rows_of_faults()) + 2 * tables


def test_decisions_are_referred_to_by_existing_numbers() -> None:
    for document in DOCUMENTS:
        for number in re.findall(r"\bdecision (\d+)\b", document.read_text()):
            assert 1 <= int(number) <= len(PAGES), f"{name_of(document)}: decision {number}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_internal_links_resolve(document: Path) -> None:
    for link in _LINK.findall(without_code(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue  # another site
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("page", ["operations.md", "clusters.md"])
def test_names_in_backticks_exist_in_the_code(page: str) -> None:
    """Settings, metrics, log events and warnings."""
    text = without_code((ROOT / "docs" / page).read_text())
    names = re.findall(r"`([A-Za-z]+(?:_[A-Za-z]+)+)", text)
    suffixes = re.compile("_(total|count)$")  # Prometheus adds them
    missing = {name for name in names if not {name, name.lower(), suffixes.sub("", name)} & WORDS}
    of_libraries = {"AWS_REGION", "HTTPS_PROXY", "NO_PROXY", "OTEL_EXPORTER_OTLP_HEADERS"}
    composed = {f"rebuild_{each}" for each in ("events", "gaps", "duplicates", "repaired")}
    assert missing <= of_libraries | composed
