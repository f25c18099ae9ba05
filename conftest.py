"""Fixtures of every test: one local AWS for the run, a Redis and a deployed stack per worker."""

import gc
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from deploy.local.settings import LocalSettings
from deploy.local.surroundings import set_aside
from redis_batching.connection import connect
from tests.support.processes import forbid_processes
from tests.support.redis_server import RedisServer
from tests.support.shared_aws import SharedAws
from tests.support.stack import Stack, local_aws, local_settings, wait_for_aws
from tests.support.stack import redis_server as shared_redis

STARTS_PROCESSES = {"aws", "redis_url", "redis_server"}
"""Fixtures that start a process; a test that uses one of them is marked `stack`."""
_AWS = pytest.StashKey[SharedAws]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--start-no-process", action="store_true", help="fail a test that starts a process"
    )


def pytest_configure() -> None:
    set_aside()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the local AWS is, which starts for the first of them."""
    config = node.config
    if config.getoption("start_no_process"):
        return
    if _AWS not in config.stash:
        config.stash[_AWS] = SharedAws.started()
    node.workerinput["aws_port"] = config.stash[_AWS].port


def pytest_unconfigure(config: pytest.Config) -> None:
    if _AWS in config.stash:
        config.stash[_AWS].stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    if STARTS_PROCESSES.intersection(getattr(item, "fixturenames", ())):
        item.add_marker("stack")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what waits for processes, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.path.parent.name not in ("chaos", "journeys", "deploy"))


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()  # modules and collected tests live to the end: no collection need look at them
    if session.config.getoption("start_no_process"):
        forbid_processes()


@pytest.fixture(scope="session")
def settings(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> LocalSettings:
    """Ports of this worker alone, except that of the shared AWS; a stack name of its own."""
    settings = local_settings(tmp_path_factory.mktemp("stack"))
    worker: dict[str, Any] = getattr(request.config, "workerinput", {})
    if not worker:
        return settings
    stack = f"vouch-{worker['workerid']}"
    return settings.model_copy(update={"aws_port": worker["aws_port"], "stack": stack})


@pytest.fixture(scope="session")
def aws(settings: LocalSettings, request: pytest.FixtureRequest) -> Iterator[str]:
    """Endpoint of the local AWS, which the workers share."""
    if hasattr(request.config, "workerinput"):
        wait_for_aws(settings)
        yield settings.aws_url
    else:
        with local_aws(settings) as endpoint:
            yield endpoint


@pytest.fixture(scope="session")
def aws_account() -> str:
    """An access key id of twelve digits: an AWS account that no other worker uses."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


@pytest.fixture(scope="session")
def redis_url(settings: LocalSettings) -> Iterator[str]:
    """A Redis of this worker alone: the databases of one server share their channels."""
    with shared_redis(settings) as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty database, apart from the one that services use."""
    client = connect(redis_url.removesuffix("/0") + "/1")
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def redis_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    """A Redis that a test may kill, suspend and start again."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture(scope="session")
def stack(settings: LocalSettings, aws: str, redis_url: str) -> Iterator[Stack]:
    """The deployed template; services are started by the tests that need them."""
    assert aws == settings.aws_url
    assert redis_url == settings.redis_url
    stack = Stack.deployed(settings)
    yield stack
    stack.stop()
