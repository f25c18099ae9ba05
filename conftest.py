"""Provide one local AWS for the test run, and a Redis and a deployed stack per worker."""

import gc
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import hypothesis
import pytest
from redis.asyncio import Redis

from chassis.resilience.outages import OUTAGES
from deploy.local import ports
from deploy.local.environment import isolate_environment
from deploy.local.settings import LocalSettings
from redis_batching.connection import connect
from tests.support.order import rank
from tests.support.processes import forbid_processes
from tests.support.redis_cluster import RedisCluster, redis_cluster
from tests.support.redis_server import RedisServer
from tests.support.refusing_redis import RefusingCluster, refusing_cluster
from tests.support.shared_aws import SharedAws
from tests.support.stack import Stack, local_aws, local_settings, wait_for_aws
from tests.support.stack import redis_server as shared_redis
from tests.support.topology import CLUSTER, redis_of_tests
from tests.support.worker_ports import of_this_worker

STARTS_PROCESSES = {"aws", "redis_url", "redis_database", "redis_server"}
"""Fixtures that start a process; a test that uses one of them is marked `stack`."""
ON_A_CLUSTER = {"redis_database", "redis_server", "cluster"}
"""Fixtures whose Redis is a cluster in `make test-cluster`, which runs the tests that use one."""
_AWS = pytest.StashKey[SharedAws]()


@pytest.fixture(autouse=True)
def _no_outage_outlives_its_test() -> Iterator[None]:
    yield
    OUTAGES._current.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--start-no-process", action="store_true", help="fail a test that starts a process"
    )


def pytest_configure() -> None:
    isolate_environment()
    ports.BELOW_OUTGOING = of_this_worker(ports.BELOW_OUTGOING)
    hypothesis.settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )  # a property is true or false, however busy the machine is
    hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the port of the local AWS to a pytest-xdist worker; the first worker starts it."""
    config = node.config
    if config.getoption("start_no_process"):
        return
    if _AWS not in config.stash:
        config.stash[_AWS] = SharedAws.start()
    node.workerinput["aws_port"] = config.stash[_AWS].port


def pytest_unconfigure(config: pytest.Config) -> None:
    if _AWS in config.stash:
        config.stash[_AWS].stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    if STARTS_PROCESSES.intersection(_fixtures(item)):
        item.add_marker("stack")
    if CLUSTER and (mark := item.get_closest_marker("single_node")):
        item.add_marker(pytest.mark.skip(reason=f"needs a single Redis server: {mark.args[0]}"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run long files first; pytest-xdist keeps this order with `--no-loadscope-reorder` only."""
    if CLUSTER:
        others = [item for item in items if not ON_A_CLUSTER.intersection(_fixtures(item))]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if ON_A_CLUSTER.intersection(_fixtures(item))]
    items.sort(key=lambda item: rank(item.path))


def _fixtures(item: pytest.Item) -> list[str]:
    """Return the names of the fixtures that a test uses, directly or through others."""
    names: list[str] = getattr(item, "fixturenames", [])
    return names


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()  # modules and collected tests live to the end: no collection need look at them
    if session.config.getoption("start_no_process"):
        forbid_processes()


@pytest.fixture(scope="session")
def settings(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> LocalSettings:
    """Choose ports and a stack name for this worker; the port of AWS is shared."""
    settings = local_settings(tmp_path_factory.mktemp("stack"))
    worker: dict[str, Any] = getattr(request.config, "workerinput", {})
    if not worker:
        return settings
    stack = f"vouch-{worker['workerid']}"
    return settings.model_copy(update={"aws_port": worker["aws_port"], "stack": stack})


@pytest.fixture(scope="session")
def aws(settings: LocalSettings, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the endpoint of the local AWS, which the workers share."""
    if hasattr(request.config, "workerinput"):
        wait_for_aws(settings)
        yield settings.aws_url
    else:
        with local_aws(settings) as endpoint:
            yield endpoint


@pytest.fixture(scope="session")
def aws_account() -> str:
    """Return the id of an AWS account that no other worker uses, as access key id."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


@pytest.fixture(scope="session")
def redis_url(settings: LocalSettings) -> Iterator[str]:
    """Start a Redis for this worker: the databases of one server share their channels."""
    with shared_redis(settings) as url:
        yield url


@pytest.fixture(scope="session")
async def redis_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """Return the URL of a database that the services of the stack do not use."""
    if CLUSTER:
        async with redis_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
            yield cluster.url
    else:
        url: str = request.getfixturevalue("redis_url")
        yield url.removesuffix("/0") + "/1"


@pytest.fixture(scope="module")
async def cluster_of_module(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RedisCluster]:
    """Start three shards with a replica each for the tests of one module."""
    async with redis_cluster(tmp_path_factory.mktemp("cluster"), replicas=True) as cluster:
        yield cluster


@pytest.fixture
async def cluster(cluster_of_module: RedisCluster) -> RedisCluster:
    """Return a cluster whose nodes have all learned what earlier tests did to some of them."""
    await cluster_of_module.start()
    return cluster_of_module


@pytest.fixture
async def redis(redis_database: str) -> AsyncIterator[Redis]:
    """Return an empty database; the services use another one."""
    client = connect(redis_database)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
async def redis_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisServer]:
    """Start a Redis that a test may kill, suspend and start again."""
    server = redis_of_tests(tmp_path_factory.mktemp("redis"))
    await server.start()
    yield server
    await server.kill()


@pytest.fixture(scope="module")
async def proxies(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[RefusingCluster | None]:
    """Start a cluster behind proxies for the tests of one module; None on a single server."""
    if CLUSTER:
        async with refusing_cluster(tmp_path_factory.mktemp("refusing")) as proxies:
            yield proxies
    else:
        yield None


@pytest.fixture(scope="session")
def stack(settings: LocalSettings, aws: str, redis_url: str) -> Iterator[Stack]:
    """Deploy the data stacks; tests start the services that they need."""
    assert aws == settings.aws_url
    assert redis_url == settings.redis_url
    stack = Stack.deployed(settings)
    yield stack
    stack.stop()
