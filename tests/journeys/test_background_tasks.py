"""No error of a dependency, and none of this program, ends a background task of a service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    ParamValidationError,
)
from redis.asyncio.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as RedisTimeoutError
from structlog.testing import capture_logs

from chassis.log.event_store import Conflict, Head, UnreadableCommit
from chassis.log.memory import MemoryEventStore
from chassis.resilience.outages import OUTAGES
from chassis.run.assembly import assemble
from chassis.run.resources import Resources
from chassis.run.serve import run_background
from chassis.run.service import Application, Handlers, Service
from compute.app import COMPUTE
from invites.app import INVITES
from redis_batching.connection import connect
from referrals.app import REFERRALS
from tests.compute.service import compute_settings
from tests.invites.service import invites_settings
from tests.referrals.service import referrals_settings
from tests.support.eventually import eventually

pytestmark = pytest.mark.single_node("commands are refused in front of one client")


def answered(text: str) -> Exception:
    """Return the exception that redis-py makes of an error reply."""
    error: Exception = DefaultParser.parse_error(text)  # type: ignore[no-untyped-call]
    return error


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Scan")


REDIS_ERRORS = {
    "OOM": answered("OOM command not allowed when used memory > 'maxmemory'."),
    "MISCONF": answered("MISCONF Redis is configured to save RDB snapshots"),
    "NOREPLICAS": answered("NOREPLICAS Not enough good replicas to write."),
    "READONLY": answered("READONLY You can't write against a read only replica."),
    "MASTERDOWN": answered("MASTERDOWN Link with MASTER is down"),
    "CLUSTERDOWN": answered("CLUSTERDOWN The cluster is down"),
    "LOADING": answered("LOADING Redis is loading the dataset in memory"),
    "NOPERM": answered("NOPERM this user has no permissions to run the 'hgetall' command"),
    "WRONGTYPE": answered("WRONGTYPE Operation against a key holding the wrong kind of value"),
    "unknown": answered("NEWCODE something that no release has said so far"),
    "connection": RedisConnectionError("Connection closed by server."),
    "timeout": RedisTimeoutError("Timeout reading from socket"),
    "cluster": RedisClusterException("No reachable node"),
    "a mistake": KeyError("a mistake of this program"),
}
STORE_ERRORS = {
    "throttled": refused("ProvisionedThroughputExceededException"),
    "expired": refused("ExpiredTokenException"),
    "denied": refused("AccessDeniedException"),
    "missing table": refused("ResourceNotFoundException"),
    "no credentials": CredentialRetrievalError(provider="container", error_msg="500"),
    "connect timeout": ConnectTimeoutError(endpoint_url="https://dynamodb"),
    "wrong request": ParamValidationError(report="a mistake of this program"),
    "conflict": Conflict(Head("any", 1)),
    "unreadable": UnreadableCommit("damaged"),
    "a mistake": ZeroDivisionError("a mistake of this program"),
}
SERVICES: dict[str, tuple[Service[Any, Any, Any, Any], Any]] = {
    "referrals": (
        REFERRALS,
        lambda: referrals_settings().model_copy(update={"tick_seconds": 0.01}),
    ),
    "invites": (INVITES, invites_settings),
    "compute": (COMPUTE, compute_settings),
}


class Refusals:
    """Refuse every call of one dependency while an error is set."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class RefusingStore(MemoryEventStore[Any]):
    """An event store whose reads and appends are refused."""

    refusals: Refusals

    def __getattribute__(self, name: str) -> Any:
        if name in {"load", "head", "scan", "scan_heads", "append", "approximate_commits"}:
            super().__getattribute__("refusals").check()
        return super().__getattribute__(name)


class IdleBroker:
    """Receives nothing."""

    async def start(self) -> None:
        pass


def refuse_commands(redis: Any, refusals: Refusals) -> None:
    run, run_many = redis.execute_command, redis.execute_many

    def execute_command(*args: Any, **options: Any) -> Any:
        if refusals.error is None:
            return run(*args, **options)
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(refusals.error)
        return failed

    async def execute_many(commands: Any) -> Any:
        refusals.check()
        return await run_many(commands)

    redis.execute_command, redis.execute_many = execute_command, execute_many


@asynccontextmanager
async def running(
    name: str, redis_url: str, refusals: dict[str, Refusals]
) -> AsyncIterator[tuple[Application[Any, Any, Any, Any], "asyncio.Task[None]"]]:
    """Run the background tasks of a service, without its queues."""
    service, settings = SERVICES[name]
    redis: Any = connect(redis_url)
    refuse_commands(redis, refusals["redis"])

    def open_store(_name: str, codec: Any) -> Any:
        store = RefusingStore(codec)
        object.__setattr__(store, "refusals", refusals["store"])
        return store

    broker: Any = IdleBroker()
    application = assemble(service, settings(), Resources(redis, broker, open_store))
    async with service.compose(application) as handlers:
        work = asyncio.create_task(run_background(application, handlers))
        try:
            yield application, work
        finally:
            work.cancel()
            await asyncio.wait([work])
            await redis.aclose()


@pytest.fixture
def local_aws_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open the clients of SES and S3 without asking anything outside this machine."""
    for variable in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")


ALL = [
    *(pytest.param("redis", each, id=f"redis {kind}") for kind, each in REDIS_ERRORS.items()),
    *(pytest.param("store", each, id=f"log {kind}") for kind, each in STORE_ERRORS.items()),
]
SOME = [each for each in ALL if each.id in {"redis OOM", "redis a mistake", "log throttled"}]


@pytest.mark.parametrize(("dependency", "error"), ALL)
@pytest.mark.usefixtures("redis")
async def test_background_tasks_outlive_every_error_and_recover(
    redis_database: str, dependency: str, error: Exception
) -> None:
    with capture_logs():
        await outlive("referrals", redis_database, dependency, error)


@pytest.mark.parametrize("name", ["invites", "compute"])
@pytest.mark.parametrize(("dependency", "error"), SOME)
@pytest.mark.usefixtures("redis", "local_aws_settings")
async def test_those_of_every_service_do(
    redis_database: str, name: str, dependency: str, error: Exception
) -> None:
    with capture_logs():
        await outlive(name, redis_database, dependency, error)


async def outlive(name: str, redis_url: str, dependency: str, error: Exception) -> None:
    """Refuse until a failure is registered, then no more, until all read models are served."""
    refusals = {"redis": Refusals(), "store": Refusals()}
    refusals[dependency].error = error
    async with running(name, redis_url, refusals) as (application, work):

        async def registered() -> bool:
            return work.done() or bool(OUTAGES.current)

        await eventually(registered)
        assert not work.done()
        assert OUTAGES.current
        refusals[dependency].error = None

        async def recovered() -> bool:
            served = await application.rebuilder.plans.generations()
            complete = len(served) >= len(application.service.read_models)
            return work.done() or (complete and not OUTAGES.current)

        await eventually(recovered)
        assert not work.done()


@pytest.mark.usefixtures("redis")
async def test_a_task_of_a_service_that_fails_is_started_again(redis_database: str) -> None:
    started = asyncio.Event()
    failures = iter([REDIS_ERRORS["OOM"], REDIS_ERRORS["a mistake"]])

    async def work() -> None:
        for failure in failures:
            raise failure
        started.set()
        await asyncio.Event().wait()

    broker: Any = IdleBroker()
    redis: Any = connect(redis_database)
    resources = Resources(redis, broker, lambda _name, codec: MemoryEventStore(codec))
    application = assemble(REFERRALS, referrals_settings(), resources)
    with capture_logs():
        running = asyncio.create_task(run_background(application, Handlers(background=(work,))))
        await asyncio.wait(
            [running, asyncio.create_task(started.wait())],
            return_when=asyncio.FIRST_COMPLETED,
            timeout=20,
        )
        assert started.is_set()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])
    await redis.aclose()
