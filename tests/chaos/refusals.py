"""Refuse in each way in which a Redis or an AWS that is up refuses for a while.

Most refusals of Redis are produced by the real server. The others, and the wordings of Redis 7,
are written by the name in front of it. The local AWS refuses nothing by itself: a proxy does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from redis.exceptions import RedisError

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from tests.chaos.system import System
from tests.support.aws_proxy import (
    DYNAMODB,
    SQS,
    Refusal,
    cancel_transactions,
    fail_entries,
    refuse,
)
from tests.support.eventually import eventually
from tests.support.redis_server import RedisServer

Refuses = Callable[[System], AbstractAsyncContextManager[None]]

READS = {
    b"EXISTS", b"GET", b"HEXISTS", b"HGET", b"HGETALL", b"HLEN", b"HMGET", b"INFO", b"MGET",
    b"SCAN", b"TTL", b"TYPE", b"ZCARD", b"ZCOUNT", b"ZRANGE", b"ZREVRANGE", b"ZREVRANK", b"ZSCORE",
}  # fmt: skip
NEITHER = {
    b"ACL", b"AUTH", b"CLIENT", b"CLUSTER", b"CONFIG", b"COMMAND", b"HELLO", b"PING", b"PSUBSCRIBE",
    b"PUBLISH", b"PUNSUBSCRIBE", b"SCRIPT", b"SELECT", b"SUBSCRIBE", b"UNSUBSCRIBE",
}  # fmt: skip
SCRIPTS = {b"EVAL", b"EVALSHA"}


@contextlib.asynccontextmanager
async def out_of_memory(system: System) -> AsyncIterator[None]:
    node = system.redis_pair.primary
    await node.configure(maxmemory_policy="noeviction", maxmemory="1mb")
    try:
        yield
    finally:
        await node.configure(maxmemory="0")


@contextlib.asynccontextmanager
async def snapshots_fail(system: System) -> AsyncIterator[None]:
    """Let Redis fail to save, upon which it refuses writes (MISCONF)."""
    node = system.redis_pair.primary
    (node.folder / "unsavable").mkdir(exist_ok=True)  # a file cannot replace it
    await node.configure(save="3600 1", dbfilename="unsavable")
    await node.run("BGSAVE")

    async def failed() -> bool:
        return str((await node.info("persistence"))["rdb_last_bgsave_status"]) == "err"

    await eventually(failed)
    try:
        yield
    finally:
        await node.configure(save="", dbfilename="dump.rdb")


@contextlib.asynccontextmanager
async def too_few_replicas(system: System) -> AsyncIterator[None]:
    node = system.redis_pair.primary
    await node.configure(min_replicas_to_write="5")
    try:
        yield
    finally:
        await node.configure(min_replicas_to_write="0")


@contextlib.asynccontextmanager
async def read_only(system: System) -> AsyncIterator[None]:
    """Demote the primary, whose new primary never responds; it keeps its data and connections."""
    async with _demoted(system.redis_pair.primary):
        yield


@contextlib.asynccontextmanager
async def primary_down(system: System) -> AsyncIterator[None]:
    node = system.redis_pair.primary
    await node.configure(replica_serve_stale_data="no")
    try:
        async with _demoted(node):
            yield
    finally:
        await node.configure(replica_serve_stale_data="yes")


@contextlib.asynccontextmanager
async def _demoted(node: RedisServer) -> AsyncIterator[None]:
    (nowhere,) = unused_ports(1)
    await node.run("REPLICAOF", HOST, nowhere)
    try:
        yield
    finally:
        await node.run("REPLICAOF", "NO", "ONE")


@contextlib.asynccontextmanager
async def no_permission(system: System) -> AsyncIterator[None]:
    node = system.redis_pair.primary
    await node.run("ACL", "SETUSER", "default", "-@write")
    try:
        yield
    finally:
        await node.run("ACL", "SETUSER", "default", "+@all")


@contextlib.asynccontextmanager
async def busy(system: System) -> AsyncIterator[None]:
    """Run an endless script; Redis answers all commands with BUSY after a while."""
    node = system.redis_pair.primary
    await node.configure(lua_time_limit="100")
    script = asyncio.create_task(node.run("EVAL", "while true do end", 0))
    try:
        yield
    finally:
        await node.run("SCRIPT", "KILL")
        with contextlib.suppress(RedisError):
            await script


def _worded(
    refuses: Callable[[list[bytes]], bool], error: str, in_scripts: str | None = None
) -> Refuses:
    """Return a refusal by the name in front of Redis, in these words."""

    @contextlib.asynccontextmanager
    async def refusing(system: System) -> AsyncIterator[None]:
        def answer(command: list[bytes]) -> str | None:
            if not refuses(command):
                return None
            script = command[0].upper() in SCRIPTS
            return in_scripts if script and in_scripts is not None else error

        async with system.redis_pair.name.refusing(answer):
            yield

    return refusing


def _writes(command: list[bytes]) -> bool:
    return command[0].upper() not in READS | NEITHER


def _scripts(command: list[bytes]) -> bool:
    return command[0].upper() in SCRIPTS


def _with_keys(command: list[bytes]) -> bool:
    return command[0].upper() not in NEITHER | {b"INFO"}


_ON_7 = "script: 2ff0c3c5d1fc5d4b7a2a5d4e2f8a4b0c1d2e3f40, on @user_script:12."
REDIS: dict[str, Refuses] = {
    "Redis is full (OOM)": out_of_memory,
    "Redis cannot save (MISCONF)": snapshots_fail,
    "Redis has too few replicas (NOREPLICAS)": too_few_replicas,
    "Redis is a replica (READONLY)": read_only,
    "Redis has lost its primary (MASTERDOWN)": primary_down,
    "Redis permits no writes (NOPERM)": no_permission,
    "Redis runs a long script (BUSY)": busy,
    "Redis 7 is full": _worded(
        _writes,
        "OOM command not allowed when used memory > 'maxmemory'.",
        f"OOM command not allowed when used memory > 'maxmemory'. {_ON_7}",
    ),
    "Redis 7 is a replica, in scripts": _worded(
        _scripts, f"READONLY You can't write against a read only replica. {_ON_7}"
    ),
    "Redis 7 has too few replicas, in scripts": _worded(
        _scripts, f"NOREPLICAS Not enough good replicas to write. {_ON_7}"
    ),
    "Redis loads its data (LOADING)": _worded(
        _with_keys, "LOADING Redis is loading the dataset in memory"
    ),
    "the Redis cluster is down (CLUSTERDOWN)": _worded(
        _with_keys, "CLUSTERDOWN Hash slot not served"
    ),
    "a slot of Redis moves (TRYAGAIN)": _worded(
        _scripts, "TRYAGAIN Multiple keys request during rehashing of slot"
    ),
    "Redis wants a password (NOAUTH)": _worded(_with_keys, "NOAUTH Authentication required."),
}
"""What is refused -> how to refuse it."""


def _by_aws(*refusals: Refusal) -> Refuses:
    @contextlib.asynccontextmanager
    async def refusing(system: System) -> AsyncIterator[None]:
        with system.proxy.refusing(*refusals):
            yield

    return refusing


@contextlib.asynccontextmanager
async def aws_refuses_connections(system: System) -> AsyncIterator[None]:
    async with system.proxy.unreachable(refused=True):
        yield


@contextlib.asynccontextmanager
async def aws_drops_packets(system: System) -> AsyncIterator[None]:
    async with system.proxy.unreachable(refused=False):
        yield


@contextlib.asynccontextmanager
async def aws_is_silent(system: System) -> AsyncIterator[None]:
    async with system.proxy.silent():
        yield


_EXPIRED = "The security token included in the request is expired"
_INVALID = "The security token included in the request is invalid."
_DENIED = "User: arn:aws:sts::000000000000:assumed-role/task is not authorized to perform this"
_SENDS = ("SendMessage", "SendMessageBatch")
_BATCHES = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")

AWS: dict[str, Refuses] = {
    "DynamoDB throttles transactions": _by_aws(cancel_transactions("ThrottlingError")),
    "DynamoDB throttles parts of transactions": _by_aws(
        cancel_transactions("None", "ProvisionedThroughputExceeded")
    ),
    "DynamoDB throttles and finds conflicts": _by_aws(
        cancel_transactions("ThrottlingError", "TransactionConflict")
    ),
    "DynamoDB throttles": _by_aws(
        refuse(DYNAMODB, "ThrottlingException", "Rate exceeded"),
    ),
    "DynamoDB exceeds its throughput": _by_aws(
        refuse(
            DYNAMODB,
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        )
    ),
    "DynamoDB reports expired credentials": _by_aws(
        refuse(DYNAMODB, "ExpiredTokenException", _EXPIRED)
    ),
    "DynamoDB does not know the credentials": _by_aws(
        refuse(DYNAMODB, "UnrecognizedClientException", _INVALID)
    ),
    "DynamoDB denies access": _by_aws(refuse(DYNAMODB, "AccessDeniedException", _DENIED)),
    "DynamoDB has no such table": _by_aws(
        refuse(DYNAMODB, "ResourceNotFoundException", "Requested resource not found")
    ),
    "DynamoDB fails": _by_aws(
        refuse(DYNAMODB, "InternalServerError", "Internal server error", status=500)
    ),
    "SQS throttles": _by_aws(
        refuse(SQS, "RequestThrottled", "Rate exceeded", *_SENDS, "DeleteMessageBatch", status=403)
    ),
    "SQS fails for entries": _by_aws(fail_entries("InternalError", *_BATCHES)),
    "SQS reports expired credentials": _by_aws(
        refuse(SQS, "ExpiredTokenException", _EXPIRED, status=403)
    ),
    "SQS denies access to senders": _by_aws(
        refuse(SQS, "AccessDeniedException", _DENIED, *_SENDS, status=403)
    ),
    "KMS refuses the key of the queues": _by_aws(
        refuse(SQS, "KmsAccessDenied", "The ciphertext refers to a key you may not use.", *_SENDS)
    ),
    "AWS refuses connections": aws_refuses_connections,
    "packets to AWS are dropped": aws_drops_packets,
    "AWS accepts requests and is silent": aws_is_silent,
}
"""What is refused -> how to refuse it."""

ALL = REDIS | AWS


def dependency_names(kind: str) -> tuple[str, ...]:
    """Return parts of the names by which /readyz may name what refuses."""
    if kind in REDIS:
        return ("redis", "read models")
    if "SQS" in kind or "KMS" in kind:
        return ("queue", "sqs", "bus")
    return ("dynamodb", "log", "queue", "aws")
