"""`make`: environments follow the content of their locks, and the README names real commands."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"^ *make ([a-z-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Checkout:
    """A folder with the Makefile, and locks that name no package."""

    folder: Path
    python: str = sys.executable

    def make(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603  our own Makefile
            ["make", *arguments, f"PYTHON={self.python}"],  # noqa: S607  as a person types it
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def setup(self) -> str:
        done = self.make("setup")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def lock(self, environment: str = "dev") -> Path:
        return self.folder / f"requirements-{environment}.lock"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    folder = tmp_path / "checkout"
    (folder / "deploy").mkdir(parents=True)
    for file in ("Makefile", "deploy/build_environment.py"):
        shutil.copy(ROOT / file, folder / file)
    checkout = Checkout(folder)
    for environment in ("dev", "aws"):
        checkout.lock(environment).write_text("# no package\n")
    monkeypatch.setenv("UV", str(Path(sys.executable).with_name("uv")))
    return checkout


@pytest.mark.stack
def test_an_environment_is_rebuilt_when_the_content_of_its_lock_changes(checkout: Checkout) -> None:
    assert "Building .venv " in checkout.setup()
    assert (checkout.folder / ".venv" / "bin" / "python").exists()
    checkout.lock().touch()
    checkout.lock("aws").write_text("# another package\n")
    output = checkout.setup()
    assert "Building .venv-aws " in output
    assert "Building .venv " not in output
    assert checkout.setup() == ""


@pytest.mark.stack
def test_a_linked_environment_is_replaced_and_its_target_is_left_alone(checkout: Checkout) -> None:
    target = checkout.folder.parent / "of-another-checkout"
    precious = target / "bin" / "precious"
    precious.parent.mkdir(parents=True)
    precious.touch()
    environment = checkout.folder / ".venv"
    environment.symlink_to(target)
    assert "was a link to" in checkout.setup()
    assert not environment.is_symlink()
    assert precious.exists()


@pytest.mark.stack
def test_a_linked_environment_that_is_up_to_date_stays(checkout: Checkout) -> None:
    checkout.setup()
    environment = checkout.folder / ".venv"
    target = environment.rename(checkout.folder.parent / "shared")
    environment.symlink_to(target)
    assert checkout.setup() == ""
    assert environment.is_symlink()


@pytest.mark.stack
def test_an_environment_that_failed_half_way_is_built_again(checkout: Checkout) -> None:
    checkout.lock().write_text("no-such-package==1.0\n")  # without a hash
    done = checkout.make("setup")
    assert done.returncode != 0
    assert ".venv was not built" in done.stderr
    checkout.lock().write_text("# no package\n")
    assert "Building .venv " in checkout.setup()


@pytest.mark.stack
@pytest.mark.parametrize("script", ["echo Python 3.9.2; exit 1", "exit 127"])
def test_an_old_or_missing_python_is_reported_with_the_remedy(
    checkout: Checkout, script: str
) -> None:
    old = checkout.folder / "old-python"
    old.write_text(f"#!/bin/sh\n{script}\n")
    old.chmod(0o755)
    done = Checkout(checkout.folder, str(old)).make("setup")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert "make PYTHON=/path/to/python3.11" in done.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.stack
def test_every_make_command_in_the_documentation_exists(checkout: Checkout) -> None:
    listed = set(NAME.findall(checkout.make("help").stdout))
    assert {"demo", "test", "test-fast", "check"} <= listed
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        fences = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        inline = set(re.findall(r"`make ([a-z-]+)", page.read_text()))
        assert (set(NAME.findall("".join(fences))) | inline) <= listed, page.name


def test_the_readme_lists_every_check_and_benchmark() -> None:
    commands = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    readme = set(NAME.findall((ROOT / "README.md").read_text()))
    missing = {name for name in commands if name.startswith(("bench", "chaos", "test"))} - readme
    assert missing == set()
