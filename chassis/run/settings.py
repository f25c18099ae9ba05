"""Define the settings that every process reads from its environment."""

from importlib.util import find_spec
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """Configure a process.

    Endpoint, region and credentials of AWS are read by botocore (AWS_…).
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    stack: str = Field(
        "vouch", description="Prefix of the names of tables and queues: <stack>-<service>-…."
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6399/0", description="URL of Redis; rediss:// for TLS."
    )
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    traces: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL of an OTLP/HTTP collector (http://collector:4318); empty: no traces.",
    )
    trace_share: float = Field(
        0.01, ge=0, le=1, description="Share of new traces that are recorded; 0: none."
    )

    @field_validator("traces")
    @classmethod
    def _validate_traces(cls, traces: str) -> str:
        if traces and not _installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError(
                "OpenTelemetry is not installed: install the extra `telemetry` of "
                "chassis/pyproject.toml, or leave TRACES empty"
            )
        return traces


class ServiceSettings(ProcessSettings):
    """Configure a service that receives commands."""

    health_host: str = "127.0.0.1"
    health_port: int = Field(description="Internal port of /healthz, /readyz and /metrics.")
    max_workers: int = Field(16, description="Messages that are handled at the same time.")
    receive_wait_seconds: int = Field(
        5,
        ge=1,
        le=20,
        description="Seconds a receive waits for messages; stopping waits for it to end.",
    )


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is missing, too
        return False
