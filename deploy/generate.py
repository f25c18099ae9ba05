"""Generate what follows from the services: stacks, alarms, compose file, AsyncAPI, web types.

`python -m deploy.generate` (`make generate`) writes them from the declarations of the services and
from deploy/templates. What only one service owns, such as a bucket, is in the template
`aws/<service>.yaml.j2`: its macros `parameters`, `conditions`, `resources`, `statements` (of the
service's policy) and `published`, each of which may be missing.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.bus.announcements import announcements_queue
from chassis.bus.commands import commands_queue
from chassis.run.service import Service
from contracts.compute import reports_table
from deploy import alarm_stacks, asyncapi, grafana, web_types
from deploy.folders import ALARM_STACKS, DATA_STACKS, ROOT, WEB_STACK
from deploy.services import declared_services
from gateway.http.web_pages import policy as pages_policy
from invites.app import FEEDBACK_QUEUE

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(ROOT / "deploy" / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  YAML, from our own declarations
)

AnyService = Service[Any, Any, Any, Any]
STACK: Final = "${Stack}"
"""The parameter of the same name, as it is written into names."""
_REGION: Final = "${AWS::Region}"
_ACCOUNT: Final = "${AWS::AccountId}"


@dataclass(frozen=True, slots=True)
class ServiceResources:
    """Describe to the templates what the deployment has to provide for a service."""

    service: AnyService

    @property
    def name(self) -> str:
        """Name of the service."""
        return self.service.name

    @property
    def queue_names(self) -> list[str]:
        """Names of the queues that it receives from: commands, announcements, further ones."""
        further = (f"{STACK}-{self.name}-{queue}" for queue in self.service.queues)
        return [commands_queue(STACK, self.name), announcements_queue(STACK, self.name), *further]

    @property
    def sends_to(self) -> list[str]:
        """Names of the queues that it sends commands or events to."""
        return [
            *(announcements_queue(STACK, name) for name in self._subscribers()),
            *(commands_queue(STACK, name) for name in self._command_receivers()),
        ]

    @property
    def own(self) -> Any:
        """The macros of the service's own template, or None."""
        file = f"aws/{self.name}.yaml.j2"
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
        **_stacks(),
        ROOT / "docker-compose.yml": _render("docker-compose.yml.j2"),
        **{
            ALARM_STACKS / f"{name}.yaml": text
            for name, text in alarm_stacks.alarm_stacks().items()
        },
        ALARM_STACKS / "dashboard.yaml": alarm_stacks.dashboard_stack(),
        ROOT / "deploy" / "grafana.json": grafana.dashboard(),
        asyncapi.FILE: asyncapi.text(),
        web_types.FILE: web_types.text(),
    }


def _stacks() -> dict[Path, str]:
    services = {
        DATA_STACKS / f"{service.name}.yaml": _render("aws/service.yaml.j2", service=service)
        for service in _resources()
    }
    others = {
        DATA_STACKS / f"{name}.yaml": _render(f"aws/{name}.yaml.j2")
        for name in ("people", "mail", "gateway")
    }
    return {**services, **others, WEB_STACK: _render("aws/web.yaml.j2")}


def _render(template: str, **more: Any) -> str:
    return _TEMPLATES.get_template(template).render(
        services=_resources(),
        policy=pages_policy(f"https://{STACK}-{_ACCOUNT}.auth.{_REGION}.amazoncognito.com"),
        reports=reports_table(STACK),
        feedback=f"{STACK}-invites-{FEEDBACK_QUEUE}",
        **more,
    )


@cache
def _resources() -> list[ServiceResources]:
    return [ServiceResources(service) for service in declared_services()]


def _queue_arn(name: str) -> str:
    return f"arn:${{AWS::Partition}}:sqs:{_REGION}:{_ACCOUNT}:{name}"


def _dead_letters(queue: str) -> str:
    """Return the name of a queue's dead-letter queue."""
    name, fifo = queue.removesuffix(".fifo"), queue.endswith(".fifo")
    return f"{name}-dlq.fifo" if fifo else f"{name}-dlq"


_TEMPLATES.globals |= {"queue_arn": _queue_arn, "dead_letters": _dead_letters}


def main() -> None:
    """Write the generated files that have changed, and name them."""
    for path, text in generated().items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
