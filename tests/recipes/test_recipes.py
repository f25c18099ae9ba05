"""Follow the recipes of the README to the letter, in a copy of the repository."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recipes.recipe import Hunk, Step, steps

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMAND = tuple(steps(README, "Add a command"))
SERVICE = tuple(steps(README, "Add a service"))
TYPED = ("contracts", "services/referrals", "services/rewards", "services/gateway/api")
"""What mypy checks; it follows the imports of these."""
TESTS_OF = {
    "contracts/": ("tests/contracts/test_unions.py", "tests/deploy/test_generate.py"),
    "services/gateway/": ("tests/gateway/test_route_index.py",),
    "docs/": ("tests/gateway/test_api_pages.py",),
}
"""Changed files -> the tests that report what mypy cannot."""
FAST_TESTS = (
    "tests/contracts/test_golden.py",
    "tests/contracts/test_unions.py",
    "tests/deploy/test_asyncapi.py",
    "tests/deploy/test_generate.py",
    "tests/gateway/test_route_index.py",
    "tests/gateway/test_api_pages.py",
    "tests/referrals/test_closing_an_account.py",
    "tests/rewards",
)
SECONDS = itertools.count(1_800_000_000)
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".local", ".venv*", ".*_cache", ".hypothesis", "__pycache__"
)


@dataclass(frozen=True)
class Copy:
    """A copy of the repository in which both recipes have been carried out."""

    root: Path

    def run(self, *words: str) -> tuple[int, str]:
        """Run a module of Python's; return its exit code and what it printed."""
        paths = ("services", "libs", "")
        done = subprocess.run(  # noqa: S603  our own programs
            [sys.executable, "-m", *words],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(self.root / p) for p in paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def types(self) -> tuple[int, str]:
        """Check the types, with the cache of the repository if there is one."""
        return self.run("mypy", *TYPED)

    def types_again(self) -> tuple[int, str]:
        """Check the types by a daemon: all checks but the first take a second."""
        status = str(self.root / "dmypy.json")
        return self.run("mypy.dmypy", "--status-file", status, "run", "--", *TYPED)

    def fast_tests(self, *paths: str) -> tuple[int, str]:
        options = ("-q", "-x", "-n", "0", "-p", "no:randomly", "-p", "no:cacheprovider")
        return self.run("pytest", *options, "-m", "not stack", *(paths or FAST_TESTS))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    copy = Copy(tmp_path_factory.mktemp("recipes") / "vouch")
    shutil.copytree(ROOT, copy.root, ignore=NOT_COPIED)
    for step in (*COMMAND, *SERVICE):
        step.apply(copy.root)
    for module in ("tests.contracts.samples", "deploy.generate"):
        code, printed = copy.run(module)
        assert code == 0, printed
    yield copy
    copy.run("mypy.dmypy", "--status-file", str(copy.root / "dmypy.json"), "kill")


def written_by_hand(recipe: tuple[Step, ...]) -> set[str]:
    """Return the source files of a recipe; tests and pages of the API are counted apart."""
    return {step.path for step in recipe if not step.path.startswith(("tests/", "docs/"))}


def test_a_command_takes_five_source_files() -> None:
    assert len(written_by_hand(COMMAND)) <= 5


def test_a_service_takes_three_files_outside_and_two_of_the_gateway() -> None:
    outside = {
        path
        for path in written_by_hand(SERVICE)
        if not path.startswith(("services/rewards/", "contracts/"))
    }
    gateway = {path for path in outside if path.startswith("services/gateway/")}
    assert len(gateway) <= 2
    assert len(outside - gateway) <= 3


def test_the_snippets_are_formatted_and_lint_clean(copy: Copy) -> None:
    assert copy.run("ruff", "format", "--check", "-q", ".") == (0, "")
    assert copy.run("ruff", "check", "-q", ".") == (0, "")


def test_the_import_rules_hold(copy: Copy) -> None:
    code, printed = copy.run("deploy.import_rules", "--no-logo")
    assert code == 0, printed


def test_the_types_are_right(copy: Copy) -> None:
    code, printed = copy.types()
    assert code == 0, printed


def test_the_fast_tests_pass(copy: Copy) -> None:
    code, printed = copy.fast_tests()
    assert code == 0, printed


def mark_as_changed(path: Path) -> None:
    """Set another time: the daemon takes a file of the same size and second as unchanged."""
    at = next(SECONDS)
    os.utime(path, (at, at))


def changes(recipe: tuple[Step, ...]) -> Iterator[tuple[Step, Hunk]]:
    """Yield each change of an existing file."""
    return ((step, hunk) for step in recipe if not step.new for hunk in step.hunks())


@pytest.mark.skipif("RECIPE_OMISSIONS" not in os.environ, reason="run `make test-recipes`")
@pytest.mark.parametrize(
    ("step", "omitted"),
    [
        pytest.param(step, hunk, id=f"{step.path} {hunk.added}")
        for step, hunk in changes((*COMMAND, *SERVICE))
    ],
)
def test_a_change_that_is_left_out_is_reported(copy: Copy, step: Step, omitted: Hunk) -> None:
    path = copy.root / step.path
    complete = path.read_text()
    assert complete.count(omitted.after_change) >= 1
    try:
        shutil.copyfile(ROOT / step.path, path)
        step.apply(copy.root, without=omitted)
        mark_as_changed(path)
        code = copy.types_again()[0] if step.path.endswith(".py") else 0
        tests = next((TESTS_OF[folder] for folder in TESTS_OF if step.path.startswith(folder)), ())
        if code == 0:
            code = copy.fast_tests(*tests)[0]
        assert code != 0, "no check reports it"
    finally:
        path.write_text(complete)
        mark_as_changed(path)


@pytest.mark.parametrize("name", ["CloseAccount", "RewardsView"])
def test_a_missing_golden_file_is_reported(copy: Copy, name: str) -> None:
    path = copy.root / "tests" / "contracts" / "golden" / f"{name}.json"
    stored = path.read_text()
    try:
        path.unlink()
        code, printed = copy.fast_tests("tests/contracts/test_golden.py")
        assert code != 0
        assert "make golden" in printed
    finally:
        path.write_text(stored)


def test_a_command_without_a_service_cannot_be_imported(copy: Copy) -> None:
    base = "from contracts.messages import Command\n"
    nameless = 'class CloseAccount(Command):\n    type: str = "CloseAccount"\n'
    path = copy.root / "contracts" / "planted.py"
    try:
        path.write_text(base + nameless)
        code, printed = copy.run("contracts.planted")
        assert code != 0
        assert "CloseAccount declares no service" in printed
    finally:
        path.unlink()
