"""The parts that tests stand on: a real Redis and a local AWS, started once for the run."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from deploy.local.settings import LocalSettings
from deploy.local.surroundings import set_aside
from redis_batching.connection import connect
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack, local_aws, local_settings
from tests.support.stack import redis_server as shared_redis


def pytest_configure() -> None:
    set_aside()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for processes goes first, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.path.parent.name not in ("chaos", "journeys", "deploy"))


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LocalSettings:
    return local_settings(tmp_path_factory.mktemp("stack"))


@pytest.fixture(scope="session")
def aws(settings: LocalSettings) -> Iterator[str]:
    """Endpoint of the local AWS. A 12-digit access key id is an account of its own."""
    with local_aws(settings) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def redis_url(settings: LocalSettings) -> Iterator[str]:
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
