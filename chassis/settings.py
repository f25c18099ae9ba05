"""What every process reads from its environment, once."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Endpoint, region and credentials of AWS are botocore's own variables (AWS_…)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    stack: str = Field("vouch", description="Tables and queues are named <stack>-<service>-….")
    redis_url: str = Field("redis://127.0.0.1:6399/0", description="rediss:// for TLS.")
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"


class ServiceSettings(ProcessSettings):
    health_host: str = "127.0.0.1"
    health_port: int = Field(description="Internal: /healthz and /readyz.")
    max_workers: int = Field(16, description="Streams that are worked on at the same time.")
    receive_wait_seconds: int = Field(
        5, ge=1, le=20, description="How long a receive waits; stopping waits for it to end."
    )
