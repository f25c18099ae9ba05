"""Define the settings that every process reads from its environment."""

import os
import re
import sys
from collections.abc import Iterable, MutableMapping
from importlib.util import find_spec
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

import botocore.session
from botocore.exceptions import BotoCoreError
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from redis.asyncio.connection import parse_url

EXIT_CONFIGURATION: Final = 78
"""Exit code of a process whose settings are wrong (EX_CONFIG of sysexits.h)."""
_ENDPOINTS: Final = "AWS_ENDPOINT_URL"
"""Start of the variables that lead botocore to another endpoint, for one service or for all."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,23}")
"""What may be printed of a place inside a setting: longer parts may be of a secret."""

T = TypeVar("T", bound=BaseSettings)
HealthPort = Annotated[
    int,
    Field(
        ge=0,
        le=65_535,
        description="Internal port of /healthz, /readyz and /metrics; 0 takes any free port.",
    ),
]


class ConfigurationError(Exception):
    """Settings are wrong or missing; the text names each with its remedy, and no value."""


class ProcessSettings(BaseSettings):
    """Configure a process.

    Endpoint, region and credentials of AWS are read by botocore (AWS_…). Values that may contain
    a password or a key are `SecretStr`, which no error, `repr` or log shows.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    stack: str = Field(
        "vouch", description="Prefix of the names of tables and queues: <stack>-<service>-…."
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6399/0"),
        description="URL of Redis with its password, as redis://user:password@host:6379/0; "
        "rediss:// for TLS.",
    )
    redis_password_file: str = Field(
        "",
        description="File with the password of Redis, read for each new connection, so that it can "
        "be rotated; empty: the password of REDIS_URL.",
    )
    aws_client: Literal["aws_json", "aiobotocore"] = Field(
        "aws_json",
        description="Client of the frequent calls of DynamoDB and SQS: aws_json takes a fifth of "
        "the CPU of aiobotocore.",
    )
    log_format: Literal["console", "json"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    traces: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        repr=False,
        description="URL of an OTLP/HTTP collector (http://collector:4318); empty: no traces.",
    )
    trace_share: float = Field(
        0.01, ge=0, le=1, description="Share of new traces that are recorded; 0: none."
    )

    @field_validator("redis_url")
    @classmethod
    def _validate_redis_url(cls, url: SecretStr) -> SecretStr:
        if not _is_redis_url(url.get_secret_value()):
            raise ValueError(
                "is not a URL of Redis; a password with one of the characters / ? # @ : % has to "
                "be percent-encoded"
            )
        try:
            parse_url(url.get_secret_value())
        except ValueError:  # its text may quote the URL
            raise ValueError("has an option after the ? with a value that it cannot have") from None
        return url

    @field_validator("traces")
    @classmethod
    def _validate_traces(cls, traces: str) -> str:
        if traces and not _installed("opentelemetry.exporter.otlp.proto.http"):
            raise ValueError(
                "OpenTelemetry is not installed: install the extra `telemetry` of "
                "chassis/pyproject.toml, or leave TRACES empty"
            )
        return traces


class LogTables(NamedTuple):
    """Name the DynamoDB tables of an event log."""

    events: str
    """Commits."""
    meta: str
    """Claims and snapshots."""


class ServiceSettings(ProcessSettings):
    """Configure a service that receives commands."""

    health_host: str = "127.0.0.1"
    health_port: HealthPort
    events_table: str = Field(
        "", description="Table of the event log; default: <stack>-<service>-events."
    )
    meta_table: str = Field(
        "", description="Table of claims and snapshots; default: <stack>-<service>-meta."
    )
    max_workers: int = Field(16, ge=1, description="Messages that are handled at the same time.")
    receive_wait_seconds: int = Field(
        5,
        ge=1,
        le=20,
        description="Seconds a receive waits for messages; stopping waits for it to end.",
    )

    def log_tables(self, service: str) -> LogTables:
        """Return the names of the tables of a service's event log."""
        return LogTables(
            self.events_table or f"{self.stack}-{service}-events",
            self.meta_table or f"{self.stack}-{service}-meta",
        )


def read_settings(settings: type[T]) -> T:
    """Read settings from the environment, and complete the region of AWS.

    Raises:
        ConfigurationError: some are wrong or missing; the error has no cause, which could contain
            their values.
    """
    use_region(os.environ)
    problems = _problems_of_aws()
    try:
        read = settings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        problems += [_problem(each, settings) for each in found]
    except SettingsError as error:
        problems.append(_unparsable(error, settings))
    else:
        if not problems:
            return read
    raise ConfigurationError("\n".join(f"  {problem}" for problem in problems)) from None


def read_settings_or_exit(settings: type[T], process: str) -> T:
    """Read settings; print what is wrong to stderr and end with `EXIT_CONFIGURATION`."""
    try:
        return read_settings(settings)
    except ConfigurationError as error:
        print(  # noqa: T201  the log is not configured yet
            f"{process} cannot start, its environment variables are wrong:\n{error}",
            file=sys.stderr,
        )
        sys.exit(EXIT_CONFIGURATION)


def _problems_of_aws() -> list[str]:
    try:
        region = botocore.session.Session().get_config_variable("region")
    except BotoCoreError as error:
        return [f"AWS_PROFILE: {error}"]
    problems = [
        f"{name}: is not a URL.\n    Set it to: http(s)://host:port, or leave it out to use AWS."
        for name, url in sorted(os.environ.items())
        if name.startswith(_ENDPOINTS) and url and not _is_web_url(url)
    ]
    if region is None:
        missing = "AWS_REGION: is missing.\n    Set it to: the region of the stack, as eu-west-2."
        problems.append(missing)
    return problems


def use_region(environment: MutableMapping[str, str]) -> None:
    """Make botocore use AWS_REGION, which other SDKs and the platforms use, too."""
    if region := environment.get("AWS_REGION"):
        environment.setdefault("AWS_DEFAULT_REGION", region)


def _is_web_url(url: str) -> bool:
    parts = _split(url)
    return parts is not None and parts.scheme in ("http", "https") and _has_host(parts)


def _is_redis_url(url: str) -> bool:
    parts = _split(url)
    if parts is None:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        return False  # redis-py would use database 0
    is_redis = parts.scheme in ("redis", "rediss")
    return is_redis and _has_host(parts) and not _has_cut_password(parts)


def _split(url: str) -> SplitResult | None:
    """Return the parts of a URL; None if it is none, or its port is no number of a port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its text quotes the URL
        return None
    return parts


def _has_host(parts: SplitResult) -> bool:
    return bool(parts.hostname) and parts.port != 0


def _has_cut_password(parts: SplitResult) -> bool:
    """Return whether the URL was split inside the password: an @ follows the host."""
    return any("@" in part for part in (parts.path, parts.query, parts.fragment))


def _problem(error: ErrorDetails, settings: type[BaseSettings]) -> str:
    name, *place = error["loc"] or ("environment",)
    why = "is missing" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")
    where = _place(place)
    return _line(str(name), f"{where}: {why}" if where else why, settings)


def _place(parts: Iterable[Any]) -> str:
    texts = [str(part) for part in parts]
    return ".".join(text if _NAME.fullmatch(text) or text.isdigit() else "…" for text in texts)


def _unparsable(error: SettingsError, settings: type[BaseSettings]) -> str:
    """Describe a setting whose JSON cannot be parsed; pydantic's text names the field only."""
    names = [name for name in settings.model_fields if f'"{name}"' in str(error)]
    return _line(names[0] if names else "environment", "is not valid JSON", settings)


def _line(name: str, why: str, settings: type[BaseSettings]) -> str:
    field = settings.model_fields.get(name)
    remedy = "" if field is None or field.description is None else field.description
    return f"{name.upper()}: {why.rstrip('.')}." + (f"\n    Set it to: {remedy}" if remedy else "")


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the parent package is missing, too
        return False
