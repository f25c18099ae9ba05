"""Run the snippets of a page of docs/api step by step: curl in bash, fetch in node."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateway.pages import SHELL, Reply, Snippet, Step, difference

HARNESS = Path(__file__).with_name("browser.mjs")
TIMEOUT_SECONDS = 60
LONGEST_LINE = 2**20


class SnippetFailed(AssertionError):
    """A snippet did not get the response that its page shows."""


@dataclass
class Browser:
    """Run scripts one after the other."""

    process: asyncio.subprocess.Process

    async def run(self, script: str) -> Reply:
        to, back = self.process.stdin, self.process.stdout
        assert to is not None
        assert back is not None
        to.write(json.dumps(script).encode() + b"\n")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            result = json.loads(await back.readline())
        if result["error"] is not None:
            raise SnippetFailed(f"{result['error']}\n{result['printed']}")
        return Reply(result["head"], result["printed"])


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HARNESS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        yield Browser(process)
    finally:
        process.kill()
        await process.communicate()


async def shell(text: str, names: dict[str, str]) -> Reply:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", text),
        env={**os.environ, **names},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(TIMEOUT_SECONDS):
        printed, errors = (part.decode() for part in await process.communicate())
    if process.returncode:
        raise SnippetFailed(f"{printed}\n{errors}")
    if not printed.startswith("HTTP/"):
        return Reply("", printed)
    head, _, body = printed.replace("\r\n", "\n").partition("\n\n")
    return Reply(head, body)


@dataclass
class Reader:
    """Follow a page with the names that it has defined so far."""

    browser: Browser
    names: dict[str, str]
    """Values of names: given from the start, or shown by a response."""
    look_up: Callable[[str], Awaitable[str | None]]
    """Return the value of a name that a snippet mentions; None if it is unknown."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the shell, in addition to those of this process and the names."""

    async def follow(self, step: Step) -> None:
        for snippet in step.snippets:
            try:
                await self._learn(mentioned(snippet) | named(step.response))
                reply = await self.run(snippet)
                if (found := difference(step, reply, self.names)) is not None:
                    raise SnippetFailed(f"{found}\n{reply.body}")  # noqa: TRY301  gets its line below
            except SnippetFailed as error:
                raise SnippetFailed(f"line {snippet.line}: {error}\n\n{snippet.text}") from error

    async def run(self, snippet: Snippet) -> Reply:
        if snippet.language == SHELL:
            return await shell(snippet.text, {**self.environment, **self.names})
        known = {camel(name): value for name, value in self.names.items()}
        consts = [
            f"const {name} = {json.dumps(value)};\n"
            for name, value in known.items()
            if re.search(rf"\b{name}\b", snippet.text) and not _declares(snippet.text, name)
        ]
        return await self.browser.run("".join(consts) + snippet.text)

    async def _learn(self, wanted: set[str]) -> None:
        for name in wanted - self.names.keys():
            if (value := await self.look_up(name)) is not None:
                self.names[name] = value


def mentioned(snippet: Snippet) -> set[str]:
    """Return the names, in the spelling of the shell, that a snippet may need."""
    if snippet.language == SHELL:
        return named(snippet.text)
    words = re.findall(r"\b[a-z]+(?:[A-Z][a-z]*)*\b", snippet.text)
    return {re.sub(r"(?=[A-Z])", "_", word).upper() for word in words}


def named(text: str) -> set[str]:
    return set(re.findall(r"\$\{?([A-Z][A-Z_]*)", text))


def camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(other.capitalize() for other in others)


def _declares(text: str, name: str) -> bool:
    declared = rf"\b(?:const|let)\s+(?:{name}\b|[{{\[][^}}\]]*\b{name}\b)"
    return re.search(declared, text) is not None
