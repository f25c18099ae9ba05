"""Read the commands that deploy stacks from docs/aws.md."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.folders import ROOT

PAGE: Final = ROOT / "docs" / "aws.md"
_FENCE: Final = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_DEPLOYMENT: Final = re.compile(r"^deploy (\S+) (\S+)(.*)$", re.MULTILINE)
_VALUE: Final = re.compile(r"\$\(digest ([a-z]+)\)|\$([A-Z_]+)")


class NotOnThePage(Exception):
    """A command of the page uses a variable that has no value here; the message names it."""


@dataclass(frozen=True)
class Deployment:
    """Describe the deployment of one stack."""

    name: str
    """Name of the stack without the prefix of all stacks."""
    template: Path
    parameters: Mapping[str, str]


def steps(
    variables: Mapping[str, str], digests: Mapping[str, str], page: str | None = None
) -> list[list[Deployment]]:
    """Return the deployments of each step of the page, in its order.

    The stacks of a step can be deployed in any order.

    Args:
        variables: What the shell would have: `MAIL_FROM`, `API_DOMAIN`, ….
        digests: Service -> digest of its image.
        page: Text to read instead of docs/aws.md.

    Raises:
        NotOnThePage: a command uses another variable or service.
    """
    text = PAGE.read_text() if page is None else page
    found = (_DEPLOYMENT.findall(fence) for fence in _FENCE.findall(text))

    def value_of(match: re.Match[str]) -> str:
        service, variable = match.groups()
        known, name = (digests, service) if service else (variables, variable)
        if name not in known:
            raise NotOnThePage(f"{match[0]} in {PAGE.name} has no value")
        return known[name]

    def deployment(name: str, template: str, parameters: str) -> Deployment:
        words = shlex.split(_VALUE.sub(value_of, parameters))
        given = dict(word.split("=", 1) for word in words)
        return Deployment(name, ROOT / "deploy" / "aws" / f"{template}.yaml", given)

    return [[deployment(*each) for each in fence] for fence in found if fence]
