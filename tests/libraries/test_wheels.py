"""Each library builds as a wheel, and its README's snippets run from it in an empty environment."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis as sync_redis

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
LIBRARIES = sorted(path.parent.name for path in ROOT.glob("libs/*/pyproject.toml"))
BIN = Path(sys.executable).parent
SNIPPET = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "333333333333",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "eu-west-2",
}
QUEUES = (
    "orders", "reports", "measurements", "numbers", "doubling", "tasks", "payments.fifo",
)  # fmt: skip
"""Queues that the README of faststream_sqs takes for granted."""
RUNNER = """
import asyncio, inspect, pathlib, runpy, sys

try:  # log lines are no part of a snippet's output
    import structlog
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
except ImportError:
    pass

for path in sys.argv[1:]:
    names = runpy.run_path(path, run_name="__main__")
    if "asyncio.run(" not in pathlib.Path(path).read_text():
        for name, value in list(names.items()):
            if inspect.iscoroutinefunction(value) and (name == "main" or name.startswith("test_")):
                asyncio.run(value())
    print(end="\\0")
"""
"""Runs snippets one after another, and ends the output of each with a NUL."""


@dataclass(frozen=True)
class Snippet:
    code: str
    output: str | None
    """Expected standard output, if the README shows it."""


def snippets(library: str) -> list[Snippet]:
    text = (ROOT / "libs" / library / "README.md").read_text()
    return [Snippet(*match) for match in SNIPPET.findall(text)]


@dataclass(frozen=True)
class Installed:
    """A library installed from its wheel, with its declared dependencies and nothing else."""

    wheel: Path
    python: Path
    folder: Path

    def run(self, codes: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """Run programs in the environment and return the standard output of each."""
        files = [self.folder / f"snippet_{number}.py" for number in range(len(codes))]
        for file, code in zip(files, codes, strict=True):
            file.write_text(code)
        runner = self.folder / "runner.py"
        runner.write_text(RUNNER)
        done = subprocess.run(  # noqa: S603  our own programs
            [self.python, "-I", runner, *files],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\0")[:-1]


@pytest.fixture(scope="module", params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def installed(library: str, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp(library)
    wheel = build(library, folder)
    python = folder / "venv" / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, str(folder / "venv"))
    extras = tomllib.loads((ROOT / "libs" / library / "pyproject.toml").read_text())["project"].get(
        "optional-dependencies", {}
    )
    requirement = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    arguments = ("--quiet", "--python", str(python), "-c", str(ROOT / "requirements-dev.lock"))
    try:  # from uv's cache, if everything is in it
        uv("pip", "install", "--offline", *arguments, requirement)
    except subprocess.CalledProcessError:
        uv("pip", "install", *arguments, requirement)
    return Installed(wheel, python, folder)


def build(library: str, folder: Path) -> Path:
    source = folder / library
    shutil.copytree(ROOT / "libs" / library, source, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    return wheel


def uv(*arguments: str) -> None:
    run(str(BIN / "uv"), *arguments, cwd=ROOT)


def run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)  # noqa: S603  our own programs


@pytest.fixture(scope="module")
def environment(aws: str, redis_url: str) -> dict[str, str]:
    """Where the snippets find Redis and AWS."""
    sqs: Any = boto3.client(
        "sqs",
        endpoint_url=aws,
        region_name=ACCOUNT["AWS_DEFAULT_REGION"],
        aws_access_key_id=ACCOUNT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ACCOUNT["AWS_SECRET_ACCESS_KEY"],
    )
    for queue in QUEUES:
        fifo = {"FifoQueue": "true"} if queue.endswith(".fifo") else {}
        sqs.create_queue(QueueName=queue, Attributes=fifo)
    url = redis_url.removesuffix("/0") + "/2"
    with sync_redis.Redis.from_url(url) as client:
        client.flushdb()
    return ACCOUNT | {"REDIS_URL": url, "AWS_ENDPOINT_URL": aws}


def test_the_wheel_holds_the_package_and_no_tests(library: str, installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "libs" / library
    sources = {
        f"{library}/{path.relative_to(package)}"
        for pattern in ("*.py", "*.lua", "py.typed")
        for path in package.rglob(pattern)
        if "tests" not in path.relative_to(package).parts
    }
    assert names == sources


@pytest.mark.timeout(300)
def test_the_snippets_run_from_the_wheel(
    library: str, installed: Installed, environment: dict[str, str]
) -> None:
    found = snippets(library)
    assert found
    assert found[0].output is not None, "the quick start shows no output"
    outputs = installed.run([snippet.code for snippet in found], environment)
    for snippet, output in zip(found, outputs, strict=True):
        assert not snippet.output or output == snippet.output, snippet.code


def test_nothing_of_the_repository_is_in_the_environment(
    library: str, installed: Installed
) -> None:
    others = [name for name in [*LIBRARIES, "chassis", "contracts", "tests"] if name != library]
    code = (
        "from importlib.util import find_spec\n"
        f"import {library}\n"
        f"assert 'site-packages' in {library}.__file__\n"
        f"assert not [name for name in {others} if find_spec(name)]\n"
    )
    installed.run([code], {})
