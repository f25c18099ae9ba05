"""Configure the local stack: where it listens and where it stores its state."""

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.folders import GATEWAY, ROOT, service_names

HOST: Final = "127.0.0.1"
REGION: Final = "eu-west-2"
CHAIN_ID: Final = 31_337
"""Chain id of the local chain, the usual one of development chains."""
SERVICES: Final = service_names()
PORTS: Final = ("aws_port", "redis_port", "chain_port", "service_ports")
"""The settings that name ports."""


def settings_class(service: str) -> type[BaseSettings]:
    """Return the settings class of a service."""
    found: type[BaseSettings] = import_module(f"{service}.settings").Settings
    return found


def port_setting(service: str) -> str:
    """Return the name of the setting that holds a service's port."""
    return "gateway_port" if service == GATEWAY else "health_port"


def _service_ports() -> dict[str, int]:
    # the container that provisions has no gateway, and has to know its port
    names = {*SERVICES, GATEWAY}
    variables = {service: os.environ.get(_port_variable(service)) for service in names}
    return {service: int(port) for service, port in variables.items() if port}


def _port_variable(service: str) -> str:
    return f"{service.upper()}_PORT"


class LocalSettings(BaseSettings):
    """Configure the local stack by environment variables: `make up GATEWAY_PORT=9090`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    stack: str = "vouch"
    aws_port: int = 4566
    redis_port: int = 6399
    chain_port: int = 8545
    service_ports: Mapping[str, int] = Field(
        default_factory=_service_ports,
        description="Service -> port, from `<SERVICE>_PORT`. Others use the default of their "
        "settings.",
    )
    persist: bool = Field(default=False, description="Keep what was written for the next start.")
    state: Path = Field(default=ROOT / ".local" / "stack", validation_alias="LOCAL_STATE")

    @property
    def aws_url(self) -> str:
        return f"http://{HOST}:{self.aws_port}"

    @property
    def redis_url(self) -> str:
        return f"redis://{HOST}:{self.redis_port}/0"

    @property
    def gateway_port(self) -> int:
        return self.port_of(GATEWAY)

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def chain_url(self) -> str:
        return f"http://{HOST}:{self.chain_port}/"

    @property
    def service_env(self) -> Path:
        """The file with the environment of the services, written after the deployment."""
        return self.state / "service.env"

    @property
    def ready(self) -> Path:
        """A file that exists while the stack can serve, with the ports it was started with."""
        return self.state / "ready"

    @property
    def pid(self) -> Path:
        """The file with the process id of the runner."""
        return self.state / "up.pid"

    @property
    def log(self) -> Path:
        """The log of a stack in the background."""
        return self.state / "up.log"

    def port_of(self, service: str) -> int:
        """Return the port on which a service reports its health."""
        if service in self.service_ports:
            return self.service_ports[service]
        port: int = settings_class(service).model_fields[port_setting(service)].default
        return port

    def ports(self) -> dict[str, int]:
        """Return environment variable -> port, for everything that listens."""
        return {
            "AWS_PORT": self.aws_port,
            "REDIS_PORT": self.redis_port,
            "CHAIN_PORT": self.chain_port,
            **{_port_variable(service): self.port_of(service) for service in SERVICES},
        }

    def note_ports(self) -> None:
        """Write the file `ready`."""
        self.ready.write_text(self.model_dump_json(include=set(PORTS)))

    def as_started(self) -> "LocalSettings":
        """Return these settings with the ports of the stack that is up."""
        return self.model_copy(update=json.loads(self.ready.read_text()))

    def environment(self) -> dict[str, str]:
        """Return the environment of this repository's programs, with these settings."""
        return {
            **os.environ,
            **{name: str(port) for name, port in self.ports().items()},
            "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "STACK": self.stack,
            "PERSIST": str(self.persist),
            "LOCAL_STATE": str(self.state),
        }
