"""Create, update and delete the stacks of docs/aws.md on a local AWS."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from deploy.local.cloud.page import Deployment
from deploy.local.provision import NotDeployed, wait_until_deployed

STAND_INS: Final[Mapping[str, str]] = {
    # the local AWS has no NAT gateways, no association of firewalls, no scaling of services, and
    # no alarms on calculated metrics
    "Nat": "none",
    "RequestsPerAddress": "0",
    "Scaling": "false",
    "Calculations": "false",
    # so that the client can sign people in
    "PasswordSignIn": "true",
    # so that a stack that could not be created is removed
    "DeletionProtection": "false",
}
"""Parameters that the local AWS needs instead of those of the page, in stacks that have them."""
_DELETE_SECONDS: Final = 60


class Stacks:
    """Deploy stacks whose names begin with a prefix."""

    def __init__(self, formation: Any, prefix: str) -> None:
        self._formation = formation
        self.prefix = prefix
        self.created: list[str] = []

    def deploy(self, deployment: Deployment) -> None:
        """Create or update a stack, and wait for it.

        Raises:
            NotDeployed: it failed; the message says which resource, and why.
        """
        name = f"{self.prefix}-{deployment.name}"
        request = {
            "StackName": name,
            "TemplateBody": deployment.template.read_text(),
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in parameters_of(deployment, self.prefix).items()
            ],
        }
        if name in self.created:
            self._formation.update_stack(**request)
        else:
            self._formation.create_stack(**request)
            self.created.append(name)
        try:
            wait_until_deployed(self._formation, name)
        except NotDeployed as error:
            raise NotDeployed(f"{error}{self._failures(name)}") from None

    def delete_all(self) -> list[str]:
        """Delete what was created, the last one first; return the names."""
        deleted = list(reversed(self.created))
        for name in deleted:
            self._formation.delete_stack(StackName=name)
            waiter = self._formation.get_waiter("stack_delete_complete")
            waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": _DELETE_SECONDS})
        self.created.clear()
        return deleted

    def _failures(self, name: str) -> str:
        events = self._formation.describe_stack_events(StackName=name)["StackEvents"]
        return "".join(
            f"\n  {event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("_FAILED")
        )


def parameters_of(deployment: Deployment, prefix: str) -> dict[str, str]:
    """Return the parameters of a deployment on the local AWS."""
    declared = declared_parameters(deployment.template)
    local = {name: value for name, value in STAND_INS.items() if name in declared}
    return {"Stack": prefix, **deployment.parameters, **local}


def reversed_steps(steps: Iterable[list[Deployment]]) -> list[Deployment]:
    """Return the deployments with those of each step in the opposite order."""
    return [deployment for step in steps for deployment in reversed(step)]


def declared_parameters(template: Path) -> set[str]:
    """Return the names of the parameters that a template has."""
    head = template.read_text().partition("\nResources:")[0]
    return set(re.findall(r"^  (\w+):$", head, re.MULTILINE))
