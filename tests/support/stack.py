"""Run the stack of a test run: Redis and a local AWS on unused ports, and services as processes."""

import asyncio
import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from deploy.folders import ROOT
from deploy.local import programs
from deploy.local.bootstrap import answers
from deploy.local.demo_users import UserPool
from deploy.local.ports import unused_ports
from deploy.local.programs import running, start, stop
from deploy.local.provision import deploy, service_environment, wait_for
from deploy.local.settings import HOST, SERVICES, LocalSettings, port_setting
from tests.support.forked_process import ForkedProcess
from tests.support.policy_proxy import PolicyProxy, policy_proxy

START_SECONDS = 90
"""Within which a service starts on a slow and busy machine.

The first one of a worker takes six seconds of CPU time: the fork server imports all services.
"""


def start_redis(settings: LocalSettings) -> subprocess.Popen[bytes]:
    """Start Redis and wait for it; the caller stops it."""
    process = start(programs.redis(settings))
    with contextlib.closing(redis.Redis.from_url(settings.redis_url)) as client:
        wait_for("Redis", lambda: _pings(client))
    return process


@contextlib.contextmanager
def redis_server(settings: LocalSettings) -> Iterator[str]:
    with running(programs.redis(settings)):
        client = redis.Redis.from_url(settings.redis_url)
        wait_for("Redis", lambda: _pings(client))
        client.close()
        yield settings.redis_url


@contextlib.contextmanager
def local_aws(settings: LocalSettings) -> Iterator[str]:
    with running(programs.aws(settings)):
        wait_for_aws(settings)
        yield settings.aws_url


def wait_for_aws(settings: LocalSettings) -> None:
    wait_for("the local AWS", lambda: answers(f"{settings.aws_url}/_ministack/health"))


def local_settings(state: Path) -> LocalSettings:
    aws, redis_port, chain, *ports = unused_ports(3 + len(SERVICES))
    return LocalSettings(
        aws_port=aws,
        redis_port=redis_port,
        chain_port=chain,
        service_ports=dict(zip(SERVICES, ports, strict=True)),
        persist=False,
        LOCAL_STATE=state,
    )


@dataclass
class Stack:
    """Hold the deployed data stacks, and the services as processes.

    With ENFORCE_POLICIES in the environment, services may do only what their policies allow.
    """

    settings: LocalSettings
    environment: Mapping[str, str]
    services: dict[str, "Service"] = field(default_factory=dict)
    proxy: PolicyProxy | None = None
    """Enforces the policies of the services and their operators."""
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @classmethod
    def deployed(cls, settings: LocalSettings) -> "Stack":
        names = deploy(settings.aws_url, settings.stack, settings.gateway_url)
        stack = cls(
            settings,
            service_environment(settings.aws_url, settings.stack, settings.redis_url, names),
        )
        if os.environ.get("ENFORCE_POLICIES"):
            stack.enforce_policies(names)
        return stack

    def enforce_policies(self, names: Mapping[str, str]) -> PolicyProxy:
        """Enforce the policies among the published names, from the next start of a process on."""
        proxy = policy_proxy(self.settings.aws_url, self.settings.stack, names)
        self.proxy = self._open.enter_context(proxy)
        return self.proxy

    def environment_of(self, principal: str) -> Mapping[str, str]:
        """Return the environment of a service's process, or of `<service>-operator`."""
        if self.proxy is None:
            return self.environment
        return {
            **self.environment,
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": principal,
        }

    @property
    def users(self) -> UserPool:
        return UserPool.of(self.environment)

    def service(self, name: str) -> "Service":
        if name not in self.services:
            self.services[name] = Service(name, self)
        return self.services[name]

    def stop(self) -> None:
        for service in self.services.values():
            service.stop()
        self._open.close()
        denied = self.proxy.denied if self.proxy is not None else {}
        assert not denied, f"denied by policies: {denied}"


@dataclass
class Service:
    """Run a service as a process; its output is stored for the message of a failed test."""

    name: str
    stack: Stack
    process: ForkedProcess | None = None

    @property
    def port(self) -> int:
        return self.stack.settings.port_of(self.name)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.stack.settings.state / f"{self.name}.log"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What its processes have logged; one that cannot start writes another line (see `log`).

        A line that is being written is left out.
        """
        complete, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def start(self, **extra: str) -> "Service":
        """Start the process unless it runs; `extra` is added to its environment (FAILPOINT=…)."""
        if self.alive:
            return self
        self.stack.settings.state.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            **self.stack.environment_of(self.name),
            "PYTHONPATH": f"{ROOT / 'services'}:{ROOT / 'libs'}:{ROOT}",
            port_setting(self.name).upper(): str(self.port),
            "RECEIVE_WAIT_SECONDS": "1",
            "COLUMNS_DIRECTORY": str(self.stack.settings.state / "columns"),
            **extra,
        }
        self.process = ForkedProcess([self.name, "run"], environment, self.log)
        return self

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    async def ready(self, seconds: float = START_SECONDS) -> "Service":
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(answers, f"{self.url}/readyz"):
            assert self.alive, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"not ready:\n{self.log.read_text()[-3000:]}"
            await asyncio.sleep(0.05)
        return self

    async def died(self, seconds: float = START_SECONDS) -> int:
        """Wait for the end of the process; return its exit code, negative for a signal."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, seconds)

    def stop(self) -> None:
        if self.process is not None and self.alive:
            stop(self.process)


def _pings(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False
