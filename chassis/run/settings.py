"""What every process reads from its environment, once."""

from importlib.util import find_spec
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Endpoint, region and credentials of AWS are botocore's own variables (AWS_…)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    stack: str = Field("vouch", description="Tables and queues are named <stack>-<service>-….")
    redis_url: str = Field("redis://127.0.0.1:6399/0", description="rediss:// for TLS.")
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    traces: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="A collector, by OTLP over HTTP (http://collector:4318); empty: no traces.",
    )
    trace_share: float = Field(
        0.01, ge=0, le=1, description="How much of what begins here is traced; 0: nothing."
    )

    @field_validator("traces")
    @classmethod
    def _can_be_sent(cls, traces: str) -> str:
        if traces and not _installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError(
                "OpenTelemetry is not installed: install the extra `telemetry` of "
                "chassis/pyproject.toml, or leave TRACES empty"
            )
        return traces


class ServiceSettings(ProcessSettings):
    health_host: str = "127.0.0.1"
    health_port: int = Field(description="Internal: /healthz and /readyz.")
    max_workers: int = Field(16, description="Streams that are worked on at the same time.")
    receive_wait_seconds: int = Field(
        5, ge=1, le=20, description="How long a receive waits; stopping waits for it to end."
    )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it stands in
        return False
