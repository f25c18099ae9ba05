"""The local stack listens on loopback only, says what prevents its start, and stops completely."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from redis import Redis

from deploy.folders import ROOT
from deploy.local import background
from deploy.local.background import DidNotStart
from deploy.local.bootstrap import answers
from deploy.local.environment import isolate_environment
from deploy.local.ports import is_free, port_conflicts, unused_ports
from deploy.local.provision import read_environment, wait_for, write_environment
from deploy.local.rate_limits import CONNECTIONS, wait_until_enforced
from deploy.local.runner import MARK, down, leftover_processes, start_problems
from deploy.local.settings import HOST, LocalSettings, settings_class
from gateway.limits.table import LIMIT_OVERRIDES
from tests.support.stack import Stack, local_settings, redis_server

pytestmark = pytest.mark.stack

DEFAULT, RAISED = '"documents";q=300;w=60', '"documents";q=600;w=60'


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with contextlib.closing(socket.socket()) as stranger:
        stranger.bind((HOST, 0))
        stranger.listen()
        yield stranger.getsockname()[1]


def test_a_taken_port_is_named_with_its_remedy() -> None:
    with listening() as port:
        (problem,) = port_conflicts({"REDIS_PORT": port, "AWS_PORT": unused_ports(1)[0]})
    assert f"Port {port} is taken" in problem
    assert "make up REDIS_PORT=" in problem
    assert is_free(port)


def test_every_port_is_another_one_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in LocalSettings().ports():
        monkeypatch.delenv(variable, raising=False)
    ports = LocalSettings().ports()
    assert len(set(ports.values())) == len(ports), "give each service a port of its own"


def test_the_port_of_a_service_can_be_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFERRALS_PORT", "9001")
    monkeypatch.setenv("INVITES_PORT", "")
    settings = LocalSettings()
    assert settings.ports()["REFERRALS_PORT"] == settings.port_of("referrals") == 9001
    assert (
        settings.port_of("invites") == settings_class("invites").model_fields["health_port"].default
    )


def test_unused_ports_are_different() -> None:
    assert len(set(unused_ports(6))) == 6


def test_a_port_is_given_once_although_it_is_used_later() -> None:
    first = set(unused_ports(3, range(20_000, 20_500)))
    left = [port for port in range(20_000, 20_500) if is_free(port) and port not in first]
    assert first.isdisjoint(unused_ports(len(left) // 2, range(20_000, 20_500)))


def test_an_environment_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    environment = {"STACK": "vouch", "URL": "redis://h:1/0?a=b"}
    write_environment(tmp_path / "deep" / "service.env", environment)
    assert read_environment(tmp_path / "deep" / "service.env") == environment


def test_settings_of_the_shell_for_other_stacks_are_ignored() -> None:
    shell = {
        "AWS_PROFILE": "work",
        "AWS_ENDPOINT_URL_SQS": "https://x",
        "AWS_PORT": "1",
        "HOME": "/",
    }
    shell |= {"HTTP_PROXY": "http://proxy:1", "no_proxy": "corp"}
    isolate_environment(shell)
    isolate_environment(shell)  # a child does so again
    assert {"AWS_PROFILE", "AWS_ENDPOINT_URL_SQS"}.isdisjoint(shell)
    assert (shell["AWS_PORT"], shell["HOME"]) == ("1", "/")
    assert shell["no_proxy"] == "corp,127.0.0.1,localhost"
    assert shell["NO_PROXY"] == "127.0.0.1,localhost"


def deploy_local(settings: LocalSettings, *verb: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-m", "deploy.local", *verb],
        env=settings.environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_up_refuses_a_taken_port_and_starts_nothing(tmp_path: Path) -> None:
    with listening() as port:
        settings = local_settings(tmp_path)
        ports = {**settings.service_ports, "invites": port}
        settings = settings.model_copy(update={"service_ports": ports})
        process = deploy_local(settings, "up")
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"Port {port} is taken" in output
    assert "INVITES_PORT" in output
    assert not (tmp_path / "up.pid").exists()
    assert all(is_free(port) for port in settings.ports().values())


@contextlib.contextmanager
def bystander(*arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """Start a process that only sleeps."""
    waits = "import signal; print(flush=True); signal.pause()"
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-c", waits, *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        yield psutil.Process(process.pid)
        process.kill()


def test_two_stacks_cannot_share_a_state_directory(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    precious = tmp_path / "redis" / "appendonly.aof"
    precious.parent.mkdir()
    precious.touch()
    with bystander("-m", "deploy.local", "up") as runner:
        settings.pid.write_text(str(runner.pid))
        assert start_problems(settings)
        output, _ = deploy_local(settings, "up").communicate(timeout=30)
    assert f"The system is already up (process {runner.pid})" in output
    assert precious.exists()


def test_down_stops_what_a_killed_runner_left_behind_and_nothing_else(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    settings.ready.touch()
    own, other = str(settings.state.resolve()), str(tmp_path / "other")
    with bystander(**{MARK: own}) as left, bystander(**{MARK: other}) as stranger:
        assert leftover_processes(settings) == [left]
        assert "has left processes behind" in start_problems(settings)[0]
        assert down(settings) == 0
        assert not serving(left)
        assert serving(stranger)
    assert not settings.ready.exists()
    assert start_problems(settings) == []


def test_the_runner_gives_up_on_a_service_that_cannot_start() -> None:
    program = (
        "import sys; from deploy.local import runner; runner.RESPAWN_SECONDS = 0;"
        "sys.exit(runner._respawn([sys.executable, '-c', 'raise SystemExit(3)'], {}))"
    )
    done = subprocess.run(  # noqa: S603  our own program
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "failed 3 times at its start" in done.stdout


def test_a_stack_that_takes_too_long_is_reported_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = LocalSettings(LOCAL_STATE=tmp_path)
    settings.log.write_text("18:00 system | started\n18:00 stack  | waiting for the data stacks\n")

    def start(_: LocalSettings) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    monkeypatch.setattr(background, "_start", start)
    monkeypatch.setattr(background, "START_SECONDS", 0.1)
    with pytest.raises(DidNotStart) as raised, background.stack(settings, keep=False):
        pass
    first, *tail = str(raised.value).splitlines()
    assert "not ready within" in first
    assert "up.log" in first
    assert tail == ["18:00 stack  | waiting for the data stacks"]


def test_a_token_needs_a_stack(tmp_path: Path) -> None:
    write_environment(tmp_path / "service.env", {"STACK": "one that is gone"})
    process = deploy_local(local_settings(tmp_path), "token", "alice@example.com")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "make up" in output


def test_limits_are_raised_in_the_stack_of_this_checkout_only(tmp_path: Path) -> None:
    """The shell may name the ports of another stack, as the default ports do."""
    ours, other = (local_settings(tmp_path / name) for name in ("ours", "other"))
    shell = other.model_copy(update={"state": ours.state})
    with redis_server(ours) as url, redis_server(other) as other_url:
        assert raises_limits(shell) == 1
        ours.note_ports()
        assert raises_limits(shell) == 0
        with Redis.from_url(url) as redis, Redis.from_url(other_url) as stranger:
            assert redis.exists(LIMIT_OVERRIDES)
            assert not stranger.exists(LIMIT_OVERRIDES)


def test_raising_limits_ends_when_every_worker_of_the_gateway_enforces_them() -> None:
    shown = [DEFAULT, RAISED, DEFAULT, *[RAISED] * 100]
    with gateway_that_shows(shown) as url:
        assert wait_until_enforced(url, 2)
    assert len(shown) == 100 - CONNECTIONS


def test_a_gateway_that_does_not_enforce_raised_limits_is_reported() -> None:
    with gateway_that_shows([DEFAULT] * 100) as url, pytest.raises(TimeoutError, match="limits"):
        wait_until_enforced(url, 2, seconds=0.2)


def test_raising_limits_waits_for_no_gateway_if_none_runs() -> None:
    assert not wait_until_enforced(f"http://{HOST}:{unused_ports(1)[0]}", 2)


@contextlib.contextmanager
def gateway_that_shows(policies: list[str]) -> Iterator[str]:
    """Serve responses with these limits, one each, and remove those that were shown."""

    class Response(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("RateLimit-Policy", policies.pop(0))
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Log nothing."""

    with HTTPServer((HOST, 0), Response) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def raises_limits(settings: LocalSettings) -> int:
    process = deploy_local(settings, "limits", "2")
    process.communicate(timeout=30)
    return process.returncode


def test_the_stack_starts_heals_stays_on_loopback_and_stops_completely(tmp_path: Path) -> None:
    settings = local_settings(tmp_path)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up"],
            env=settings.environment(),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for("the stack", settings.ready.exists, seconds=60)
        family = psutil.Process(process.pid).children(recursive=True)
        addresses = listeners([psutil.Process(process.pid), *family])
        assert {port for _, port in addresses} >= set(settings.ports().values())
        assert {ip for ip, _ in addresses} == {HOST}

        referrals = next(child for child in family if child.cmdline()[-2:] == ["referrals", "run"])
        os.kill(referrals.pid, signal.SIGKILL)
        wait_for("the end of referrals", lambda: not serving(referrals))
        wait_for(
            "referrals again",
            lambda: answers(f"http://{HOST}:{settings.port_of('referrals')}/readyz"),
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert process.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    assert not any(serving(child) for child in family)
    assert all(is_free(port) for port in settings.ports().values())


def listeners(processes: list[psutil.Process]) -> set[tuple[str, int]]:
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections()
        if connection.status in {psutil.CONN_LISTEN, psutil.CONN_NONE} and connection.laddr
    }


def serving(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_the_user_pool_issues_tokens_of_each_kind(stack: Stack) -> None:
    users = stack.users
    tokens = {users.token("zoe@example.com"), users.token("zoe@example.com", "access")}
    tokens.add(users.service_token())
    assert len(tokens) == 3
    assert all(token.count(".") == 2 for token in tokens)
