"""Find the hash slot of a command, and define what routes commands to the nodes of a cluster."""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from redis_batching.batches import Command

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine


SLOTS: Final = 16_384
Call = tuple[Command, dict[str, Any], "asyncio.Future[Any]"]
"""A command, the options of its reply's parser, and the caller's future."""

EVERY_PRIMARY: Final = frozenset(
    {"CONFIG", "DBSIZE", "FLUSHALL", "FLUSHDB", "KEYS", "PING", "SCRIPT", "FUNCTION"}
)
"""Commands without a key that concern all nodes of a cluster."""
_ONE_NODE: Final = frozenset(
    {"ACL", "AUTH", "BGSAVE", "CLIENT", "CLUSTER", "COMMAND", "DEBUG", "ECHO", "FAILOVER", "HELLO"}
    | {"INFO", "LASTSAVE", "LATENCY", "LOLWUT", "MODULE", "PUBSUB", "RANDOMKEY"}
    | {"REPLICAOF", "ROLE", "SAVE", "SCAN", "SELECT", "SLOWLOG", "TIME", "WAIT"}
)
_COUNTED: Final = frozenset({"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"})
"""The number of keys is the second argument; the keys follow."""
_KEY_SECOND: Final = frozenset({"OBJECT", "MEMORY", "XGROUP", "XINFO", "BITOP", "ZUNION", "ZINTER"})
"""The first argument is no key."""
_SUBCOMMANDS: Final = frozenset({"OBJECT", "MEMORY", "XGROUP", "XINFO"})


class Router(Protocol):
    """Route commands to the nodes that hold their keys."""

    def dispatch(self, call: Call) -> None:
        """Send a call to its node; set the result or the error of its future."""

    def execute_raw(self, commands: Sequence[Command]) -> "Coroutine[Any, Any, list[Any]]":
        """Return the replies in order, not parsed; an error reply is returned, not raised."""

    async def execute_transaction(self, stack: "list[Any]", *, raise_on_error: bool) -> list[Any]:
        """Execute the commands of a redis-py pipeline in one transaction, on one node."""

    async def primaries(self) -> "list[Any]":
        """Return a client of each primary."""

    async def node_for(self, key: str | bytes) -> Any:
        """Return a client of the primary that holds a key."""

    async def key_on_each_primary(self, name: "Callable[[int], str]") -> "list[tuple[Any, str]]":
        """Return each primary with a key that it holds."""

    async def reachable_node(self) -> Any:
        """Return a client of some primary that can be reached."""

    async def aclose(self) -> None:
        """Close all connections."""


class RoutedClient(Protocol):
    """Describe what pipelines and subscriptions need of the client that made them."""

    connection_pool: Any
    failovers: Any
    """The `Failovers` of the pool."""

    async def router(self) -> Router | None:
        """Return what routes commands in a cluster, or None if there is a single server."""

    def parse_reply(self, name: str, options: dict[str, Any], reply: Any) -> Any:
        """Return what redis-py makes of a reply; an error stays an error."""

    def raise_if_unanswered(self) -> None:
        """Raise if a command has timed out and Redis has not answered since."""


def name_of(command: Command) -> str:
    """Return the first word of a command's name, in capitals."""
    name = command[0].decode() if isinstance(command[0], bytes) else command[0]
    return str(name).partition(" ")[0].upper()


def slot_of(command: Command) -> int | None:
    """Return the slot of a command's first key; None if it has no key."""
    name = command[0]
    position = 1
    if name in _COUNTED or not isinstance(name, str) or not name.isalpha() or not name.isupper():
        position = _key_position(command)
    elif name in _ONE_NODE or name in EVERY_PRIMARY:
        return None
    elif name in _KEY_SECOND or name == "XREAD":
        position = _key_position(command)
    if not 0 < position < len(command):
        return None
    return slot_of_key(command[position])


def slot_of_key(key: Any) -> int:
    """Return the slot of a key; of a key with a hash tag `{…}`, that of the tag."""
    encoded = key if isinstance(key, bytes) else str(key).encode()
    start = encoded.find(b"{")
    if start >= 0:
        end = encoded.find(b"}", start + 1)
        if end > start + 1:
            encoded = encoded[start + 1 : end]
    return crc_hqx(encoded, 0) % SLOTS


def _key_position(command: Command) -> int:
    """Return the position of the first key of a command with an unusual form; 0: none."""
    name = name_of(command)
    if name in _COUNTED:
        return 3 if int(command[2]) > 0 else 0
    if name in _ONE_NODE or name in EVERY_PRIMARY:
        return 0
    if name in ("XREAD", "XREADGROUP"):
        words = [str(word).upper() for word in command]
        return words.index("STREAMS") + 1
    if name in _SUBCOMMANDS and command[0].upper() != name:  # two words in one string
        return 1
    return 2 if name in _KEY_SECOND else 1
