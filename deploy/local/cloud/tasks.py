"""Run ECS services as processes of this machine, as the container agent runs their tasks."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.folders import GATEWAY, ROOT
from deploy.local.bootstrap import answers
from deploy.local.ports import unused_ports
from deploy.local.provision import CREDENTIALS, client, wait_for
from deploy.local.settings import HOST, REGION

_IMAGE_VARIABLES: Final = re.compile(r"^(?:ENV)? +([A-Z_]+)=([^$\s]+)(?: \\)?$", re.MULTILINE)
_ECS: Final = "AmazonEC2ContainerServiceV20141113"
_START_SECONDS: Final = 240
"""A busy machine takes minutes."""


class TaskFailed(Exception):
    """A task ended, or did not become ready or stop in time; the message holds its last lines."""


@dataclass(frozen=True)
class TaskDefinition:
    """Describe the container of a service in a registered task definition."""

    arn: str
    image: str
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    """Variable -> secret, in the form of ECS: an ARN, perhaps with `:<key of its JSON>::`."""
    stop_seconds: int

    @classmethod
    def registered(cls, endpoint: str, arn: str) -> "TaskDefinition":
        """Return the definition with this ARN."""
        found = _normal(_describe(endpoint, arn)["taskDefinition"])
        container = found["containerDefinitions"][0]
        return cls(
            arn=arn,
            image=container["image"],
            environment={each["name"]: each["value"] for each in container["environment"]},
            secrets={each["name"]: each["valueFrom"] for each in container["secrets"]},
            stop_seconds=container["stopTimeout"],
        )


@dataclass
class Task:
    """Run one task as a process."""

    service: str
    definition: TaskDefinition
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def wait_until_ready(self) -> None:
        """Wait until `/readyz` responds 200.

        Raises:
            TaskFailed: it did not, or the process ended.
        """

        def ready() -> bool:
            if self.process.poll() is not None:
                raise TaskFailed(f"{self.service} ended:\n{self.last_lines()}")
            return answers(f"{self.url}/readyz")

        try:
            wait_for(f"{self.service} to be ready", ready, _START_SECONDS)
        except TimeoutError as error:
            raise TaskFailed(f"{error}\n{self.last_lines()}") from None

    def stop(self) -> None:
        """Stop the task as ECS does: SIGTERM, and SIGKILL after its stop timeout.

        Raises:
            TaskFailed: it needed SIGKILL, or its exit code is not 0.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(self.definition.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TaskFailed(f"{self.service} did not stop in time") from None
        if code != 0:
            raise TaskFailed(f"{self.service} ended with {code}:\n{self.last_lines()}")

    def kill(self) -> None:
        """End the process at once, if it runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def last_lines(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@dataclass
class Agent:
    """Start and replace the tasks of services.

    What the local machine has instead of AWS is in `stand_ins`: the address of the local AWS and
    of Redis, and a port of its own for each task.
    """

    endpoint: str
    stack: str
    redis_url: str
    state: Path
    tasks: dict[str, Task] = field(default_factory=dict)
    _replaced: list[Task] = field(default_factory=list)

    def definition_of(self, service: str) -> TaskDefinition:
        """Return the task definition that the ECS service uses now."""
        ecs = client("ecs", self.endpoint)
        (found,) = ecs.describe_services(cluster=self.stack, services=[f"{self.stack}-{service}"])[
            "services"
        ]
        return TaskDefinition.registered(self.endpoint, found["taskDefinition"])

    def start_all(self, services: Iterable[str]) -> None:
        """Start a task of each service, and wait until all are ready."""
        for service in services:
            self.tasks[service] = self._begin(service)
        for task in self.tasks.values():
            task.wait_until_ready()

    def replace(self, service: str) -> tuple[Task, Task]:
        """Start a task of the current definition, then stop the old one; return old and new."""
        old = self.tasks[service]
        self._replaced.append(old)
        new = self.tasks[service] = self._begin(service)
        new.wait_until_ready()
        old.stop()
        return old, new

    def stop(self, service: str) -> None:
        """Stop the task of a service."""
        self.tasks.pop(service).stop()

    def kill_all(self) -> None:
        """End all tasks at once."""
        for task in (*self.tasks.values(), *self._replaced):
            task.kill()

    def environment_of(self, service: str, definition: TaskDefinition, port: int) -> dict[str, str]:
        """Return the environment of a process: as in the container, then the stand-ins."""
        secrets = {name: self._secret(given) for name, given in definition.secrets.items()}
        found = {**image_environment(), **definition.environment, **secrets}
        return found | self.stand_ins(service, found, port)

    def stand_ins(self, service: str, found: Mapping[str, str], port: int) -> dict[str, str]:
        """Return the variables that differ from those of a container on AWS."""
        given = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
            "REDIS_URL": self.redis_url,
            "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            # long polls end sooner, so that tasks stop sooner
            "RECEIVE_WAIT_SECONDS": "1",
        }
        if service == GATEWAY:
            pool = found["COGNITO_ISSUER"].rpartition("/")[2]
            return given | {
                "GATEWAY_HOST": HOST,
                "GATEWAY_PORT": str(port),
                "GATEWAY_INTERNAL_HOST": HOST,
                "GATEWAY_INTERNAL_PORT": "0",
                "COGNITO_JWKS_URL": f"{self.endpoint}/{pool}/.well-known/jwks.json",
                "DRAIN_SECONDS": "0.5",
            }
        return given | {
            "HEALTH_HOST": HOST,
            "HEALTH_PORT": str(port),
            "COLUMNS_DIRECTORY": str(self.state / "columns"),
        }

    def _begin(self, service: str) -> Task:
        definition = self.definition_of(service)
        (port,) = unused_ports(1)
        self.state.mkdir(parents=True, exist_ok=True)
        log = self.state / f"{service}-{definition.arn.rpartition(':')[2]}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", service, "run"],
                env=self.environment_of(service, definition, port),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return Task(service, definition, port, process, log)

    def _secret(self, given: str) -> str:
        """Return the value that ECS injects for `valueFrom`."""
        parts = given.split(":")
        arn, key = ":".join(parts[:7]), (parts[7] if len(parts) > 7 else "")  # noqa: PLR2004
        value: str = client("secretsmanager", self.endpoint).get_secret_value(SecretId=arn)[
            "SecretString"
        ]
        return str(json.loads(value)[key]) if key else value


def image_environment() -> dict[str, str]:
    """Return the variables that the Dockerfile sets, without those made of others."""
    return dict(_IMAGE_VARIABLES.findall((ROOT / "Dockerfile").read_text()))


def _describe(endpoint: str, arn: str) -> Any:
    """Return the definition as it is stored: boto3 would drop what has names of CloudFormation."""
    request = urllib.request.Request(  # noqa: S310  the local AWS
        endpoint,
        data=json.dumps({"taskDefinition": arn}).encode(),
        headers={
            "X-Amz-Target": f"{_ECS}.DescribeTaskDefinition",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 "
            f"Credential={CREDENTIALS['aws_access_key_id']}/20260101/{REGION}/ecs/aws4_request, "
            "SignedHeaders=host, Signature=none",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        return json.load(response)


def _normal(value: Any) -> Any:
    """Return the names of nested objects in the form of ECS: the first letter in lower case."""
    if isinstance(value, list):
        return [_normal(each) for each in value]
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _normal(each) for key, each in value.items()}
    return value
