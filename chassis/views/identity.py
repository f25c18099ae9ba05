"""Identify the Redis nodes that hold read models, and store which of them are verified.

A node that was restarted, emptied or promoted may hold less than it had acknowledged;
so may a node that evicted keys. Each has another identity or counter than before. The service that
owns the read models stores under `{service}:verified` which nodes it has compared with its log;
readers trust the absence of a value only on these nodes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from redis.exceptions import RedisError

from chassis.views.keys import control_key, verified_key
from chassis.views.scripts import LuaScript

_READ: Final = LuaScript.load("chassis.views", "read_verified.lua")
_IDENTITY_LENGTH: Final = 5
_OWNED: Final = b"owned"
"""Field of `{service}:verified` that exists from the first look of the owner on: without it, the
owner is an older build that verifies nothing."""
_LOST: Final = b"lost"
"""Field of `{service}:verified` that says why everything has to be rebuilt."""
NEVER_EVICTS: Final = "noeviction"


class EvictionPolicy(RedisError):
    """The `maxmemory-policy` of a Redis node lets it evict read models."""

    def __init__(self, policy: str) -> None:
        super().__init__(
            f"maxmemory-policy {policy} lets Redis evict read models; set it to noeviction"
        )
        self.policy = policy


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """Describe the Redis node that answered."""

    run_id: str
    """Changes when the process is restarted."""
    replication_id: str
    """Changes when a replica is promoted, and when a node becomes a replica of another one."""
    role: str
    evicted_keys: int
    """Keys evicted since the process was started or its statistics were reset."""
    eviction_policy: str = ""
    """The `maxmemory-policy` of a node that has evicted keys."""

    @property
    def key(self) -> str:
        """The identity as a field of `{service}:verified`."""
        return f"{self.run_id}:{self.replication_id}"

    @property
    def is_primary(self) -> bool:
        """False: a replica, which may lag its primary."""
        return self.role == "master"


@dataclass(frozen=True, slots=True)
class Verified:
    """Hold what a service has verified: the content of `{service}:verified`."""

    fields: Mapping[bytes, bytes]

    @property
    def is_kept(self) -> bool:
        """False: the owner is an older build that does not verify nodes."""
        return bool(self.fields)

    @property
    def lost(self) -> str:
        """Why all read models have to be rebuilt; empty if they need not be."""
        return self.fields.get(_LOST, b"").decode()

    def evicted_keys(self, node: NodeIdentity) -> int | None:
        """Return how many keys the node had evicted when verified; None: it is not verified."""
        stored = self.fields.get(node.key.encode())
        return None if stored is None else int(stored)

    def covers(self, nodes: Sequence[NodeIdentity]) -> bool:
        """Return whether all these nodes are verified."""
        return all(self.evicted_keys(node) is not None for node in nodes)


class Read(NamedTuple):
    """Describe one read command of `VerifiedReader`."""

    key: str
    words: tuple[str, ...]
    """Name and arguments of the command, the key among them."""


@dataclass(frozen=True, slots=True)
class VerifiedRead:
    """Hold the reply of a read, and what is known about the nodes that took part in it."""

    control: Mapping[bytes, bytes]
    """The control hash, read at the same time as the value or before it."""
    verified: Verified
    """The verified nodes, read with the control hash."""
    complete: bool
    """False: a node is not verified, so that an absent value may have been lost."""
    reply: Any


@dataclass(frozen=True, slots=True)
class VerifiedReader:
    """Read a value together with the proof that its absence means something."""

    redis: Any
    service: str

    async def read(self, read: Read, before: Verified | None) -> VerifiedRead:
        """Read control hash, verified nodes and the value in one round trip.

        A node is verified only for what is read from it after its verification. In a cluster both
        are read at the same time, and that is the case if the node was among `before`: the verified
        nodes as they were read earlier. Otherwise the value is read once more.
        """
        keys = control_key(self.service), verified_key(self.service)
        owned = tuple(Read(key, ("HGETALL", key)) for key in keys)
        home = await self.redis.node_for(keys[0])
        node = await self.redis.node_for(read.key)
        if home is node is self.redis:  # a single server: one call, which shares its write
            identity, (control_pairs, verified_pairs, reply) = await _run(home, *owned, read)
            if not identity.is_primary:
                home.leave_replica()
            verified = Verified(_hash(verified_pairs))
            complete = _holds_everything(identity, verified)
            return VerifiedRead(_hash(control_pairs), verified, complete, reply)
        at_home, at_node = await asyncio.gather(_run(home, *owned), _run(node, read))
        home_identity, (control_pairs, verified_pairs) = at_home
        verified = Verified(_hash(verified_pairs))
        if before is None or not _holds_everything(at_node[0], before):
            at_node = await _run(node, read)
        node_identity, (reply,) = at_node
        if not node_identity.is_primary:
            node.leave_replica()
        complete = all(_holds_everything(each, verified) for each in (home_identity, node_identity))
        return VerifiedRead(_hash(control_pairs), verified, complete, reply)


@dataclass(frozen=True, slots=True)
class VerifiedNodes:
    """Store which nodes a service has verified."""

    redis: Any
    service: str

    async def read(self) -> Verified:
        """Return the verified nodes."""
        return Verified(await self.redis.hgetall(verified_key(self.service)))

    async def announce(self) -> None:
        """State that this service verifies nodes; until it does, none is verified."""
        await self.redis.hsetnx(verified_key(self.service), _OWNED, b"1")

    async def replace(self, nodes: Sequence[NodeIdentity]) -> None:
        """Store these nodes as the only verified ones."""
        key = verified_key(self.service)
        fields: dict[Any, Any] = {node.key: node.evicted_keys for node in nodes}
        pipe = self.redis.pipeline(transaction=True)
        pipe.delete(key)
        pipe.hset(key, mapping={_OWNED: b"1"} | fields)
        await pipe.execute()

    async def revoke(self, nodes: Sequence[NodeIdentity], *, lost: str = "") -> None:
        """Remove nodes: from now on readers trust no absence on them.

        `lost` is the reason why a comparison of versions is not enough to verify them again.
        """
        key = verified_key(self.service)
        pipe = self.redis.pipeline(transaction=True)
        if lost:
            pipe.hset(key, _LOST, lost)
        for node in nodes:
            pipe.hdel(key, node.key)
        await pipe.execute()


async def identities(redis: Any) -> list[NodeIdentity]:
    """Return the identities of all nodes that hold keys."""
    found = []
    for node in await redis.primaries():
        identity, _ = await _run(node)
        found.append(identity)
    return found


async def maxmemory_policies(redis: Any) -> set[str]:
    """Return the eviction policies of all nodes; managed services forbid CONFIG, but not INFO."""
    return {await _policy(node) for node in await redis.primaries()}


def ensure_no_eviction(policies: set[str]) -> None:
    """Return if no policy lets Redis evict read models.

    Raises:
        EvictionPolicy: one does.
    """
    for policy in sorted(policies):
        if evicts_read_models(policy):
            raise EvictionPolicy(policy)


def evicts_read_models(policy: str) -> bool:
    """Return whether Redis may evict keys without a time to live, as read models are."""
    return policy.startswith("allkeys-")


def _holds_everything(node: NodeIdentity, verified: Verified) -> bool:
    """Return whether a node has kept what it had when it was verified.

    An owner that is an older build verifies no node; then only evictions are known.
    """
    if not verified.is_kept:
        return not (node.evicted_keys and evicts_read_models(node.eviction_policy))
    evicted = verified.evicted_keys(node)
    if evicted is None or not node.is_primary:
        return False
    # with a volatile-* policy it evicted something else
    return evicted == node.evicted_keys or node.eviction_policy.startswith("volatile-")


async def _policy(node: Any) -> str:
    memory = await node.info("memory")
    return str(memory.get("maxmemory_policy", NEVER_EVICTS))


async def _run(node: Any, *reads: Read) -> tuple[NodeIdentity, Sequence[Any]]:
    """Read from one node in one step; return its identity and the replies."""
    arguments = [word for read in reads for word in (len(read.words), *read.words)]
    return _parse(await _READ.run(node, [read.key for read in reads], arguments))


def _parse(reply: Sequence[Any]) -> tuple[NodeIdentity, Sequence[Any]]:
    run_id, replication_id, role, evicted, policy = (
        word.decode() for word in reply[:_IDENTITY_LENGTH]
    )
    identity = NodeIdentity(run_id, replication_id, role, int(evicted or 0), policy)
    return identity, reply[_IDENTITY_LENGTH:]


def _hash(pairs: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(pairs[::2], pairs[1::2], strict=True))
