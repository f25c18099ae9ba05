"""Where the local stack listens and where it keeps its state."""

import json
import os
import sys
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
REGION = "eu-west-2"
CHAIN_ID = 31_337
"""Of the chain of our own, as it is usual for those that run on one machine."""
SERVICES = ("referrals", "invites", "compute", "gateway")
PORTS = (
    "gateway_port",
    "aws_port",
    "redis_port",
    "referrals_port",
    "invites_port",
    "compute_port",
    "chain_port",
)


class LocalSettings(BaseSettings):
    """Every port can be moved: `make up GATEWAY_PORT=9090`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    stack: str = "vouch"
    gateway_port: int = 8080
    aws_port: int = 4566
    redis_port: int = 6399
    referrals_port: int = 8081
    invites_port: int = 8082
    compute_port: int = 8083
    chain_port: int = 8545
    persist: bool = Field(default=False, description="Keep what was written for the next start.")
    state: Path = Field(default=ROOT / ".local" / "stack", validation_alias="LOCAL_STATE")

    @property
    def aws_url(self) -> str:
        return f"http://{HOST}:{self.aws_port}"

    @property
    def redis_url(self) -> str:
        return f"redis://{HOST}:{self.redis_port}/0"

    @property
    def gateway_url(self) -> str:
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def chain_url(self) -> str:
        return f"http://{HOST}:{self.chain_port}/"

    @property
    def service_env(self) -> Path:
        """Written once the template is deployed: what services read from their environment."""
        return self.state / "service.env"

    @property
    def ready(self) -> Path:
        """Exists while the stack is up and can serve; holds the ports it was started with."""
        return self.state / "ready"

    @property
    def pid(self) -> Path:
        """Process id of the runner."""
        return self.state / "up.pid"

    @property
    def log(self) -> Path:
        """Where a stack in the background writes."""
        return self.state / "up.log"

    def ports(self) -> dict[str, int]:
        """Environment variable -> port, for everything that listens."""
        return {name.upper(): getattr(self, name) for name in PORTS}

    def as_started(self) -> "LocalSettings":
        """These settings with the ports of the stack that is up."""
        return self.model_copy(update=json.loads(self.ready.read_text()))

    def health_port(self, service: str) -> int:
        return self.ports()[f"{service.upper()}_PORT"]

    def environment(self) -> dict[str, str]:
        """For programs of this repository: both import roots, and these settings."""
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
