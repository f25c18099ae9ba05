"""Generate what follows from the services: template, compose file, AsyncAPI document, web types.

`python -m deploy.generate` (`make generate`) writes them from the declarations of the services and
from deploy/templates. What only one service owns, such as a bucket, is in the template
`<service>.yaml.j2`: its macros `resources` and `statements` (of the service's policy).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.run.service import Service
from deploy import asyncapi, web_types
from deploy.folders import ROOT
from deploy.services import declared_services
from gateway.http.web_pages import policy as pages_policy

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(ROOT / "deploy" / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  YAML, from our own declarations
)

AnyService = Service[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class ServiceResources:
    """Describe to the templates what the deployment has to provide for a service."""

    service: AnyService

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.service.name

    @property
    def prefix(self) -> str:
        """Prefix of the logical ids of its resources."""
        return _prefix(self.name)

    @property
    def receives_from(self) -> list[str]:
        """Logical ids of the queues that the service receives from."""
        further = (_prefix(queue) for queue in self.service.queues)
        return [self.prefix + queue for queue in ("Commands", "Announcements", *further)]

    @property
    def sends_to(self) -> list[str]:
        """Logical ids of the queues that the service sends commands or events to."""
        return [
            *(f"{_prefix(name)}Announcements" for name in self._subscribers()),
            *(f"{_prefix(name)}Commands" for name in self._command_receivers()),
        ]

    @property
    def own(self) -> Any:
        """The macros of the service's own template, or None."""
        file = f"{self.name}.yaml.j2"
        found = file in _TEMPLATES.list_templates()
        return _TEMPLATES.get_template(file).module if found else None

    def _subscribers(self) -> list[str]:
        found: set[str] = set()
        for event, names in self.service.subscribers().items():
            if self.service.codec.knows(event):
                found.update(names)
        return sorted(found)

    def _command_receivers(self) -> list[str]:
        return sorted({command.service for command in self.service.sends})


def generated() -> dict[Path, str]:
    """Return the text of each generated file."""
    return {
        ROOT / "deploy" / "template.yaml": _render("template.yaml.j2"),
        ROOT / "docker-compose.yml": _render("docker-compose.yml.j2"),
        asyncapi.FILE: asyncapi.text(),
        web_types.FILE: web_types.text(),
    }


def _render(template: str) -> str:
    services = [ServiceResources(service) for service in declared_services()]
    policy = pages_policy("https://${TokenDomain}.auth.${AWS::Region}.amazoncognito.com")
    return _TEMPLATES.get_template(template).render(services=services, policy=policy)


def _prefix(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def main() -> None:
    """Write the generated files that have changed, and name them."""
    for path, text in generated().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
