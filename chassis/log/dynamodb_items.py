"""Convert commits, snapshots, claims and indexed commands to DynamoDB items and back.

Table `events`: `p` stream (hash key), `s` first version (range key, number), `n` number of events,
`c` command id, `h` digest of the command's body, `t` time in UNIX milliseconds, `x` correlation id,
`y` causation id, `a` actor, `e` the events, `z` their encoding. Table `meta`: `k` names a claim
(`o` is the owning stream), a snapshot (`v` version, `m` schema, `b` state, `f` fingerprint of its
commit, `i` version up to which commands are indexed) or an indexed command (`s` first version of
its commit, `ttl` when it may be deleted). DynamoDB charges for attribute names in every item, so
they have one letter.
"""

import zlib
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from chassis.log.codec import PLAIN, Codec
from chassis.log.event_store import (
    MAX_COMMIT_BYTES,
    Commit,
    CommitTooLarge,
    ExecutedCommand,
    Head,
    Origin,
    Snapshot,
    UnreadableCommit,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)
Item = dict[str, dict[str, Any]]

HEAD_ATTRIBUTES = "p, s, n, t"
"""Projection expression of what `head_of` and `last_version` read."""
COMMAND_ATTRIBUTES = "p, s, n, t, c"
"""Projection expression of what `executed_command` reads."""


class CommitItems(Generic[E]):
    """Convert commits to items of the table `events` and back."""

    def __init__(self, codec: Codec[E]) -> None:
        self._codec = codec

    def encode(self, head: Head, events: Sequence[E], origin: Origin) -> Item:
        """Return the item of a commit after `head`.

        Raises:
            CommitTooLarge: DynamoDB would reject the item.
        """
        encoding, data = self._codec.encode(events)
        item: Item = {
            "p": {"S": head.stream},
            "s": {"N": str(head.version + 1)},
            "n": {"N": str(len(events))},
            "c": {"S": origin.command_id},
            "h": {"S": origin.body_hash},
            "t": {"N": str(origin.at)},
            "x": {"S": origin.correlation_id},
            # plain JSON stays readable for a person who looks into the table
            "e": {"S": data.decode()} if encoding == PLAIN else {"B": data},
            "z": {"S": encoding},
        }
        if origin.causation_id is not None:
            item["y"] = {"S": origin.causation_id}
        if origin.actor is not None:
            item["a"] = {"S": origin.actor}
        if (size := _size(item)) > MAX_COMMIT_BYTES:
            raise CommitTooLarge(
                f"{len(events)} events of {head.stream} take {size} bytes after compression; "
                f"one commit holds {MAX_COMMIT_BYTES}"
            )
        return item

    def decode(self, item: Item) -> Commit[E]:
        """Return the commit of an item.

        Raises:
            UnknownEvent: an event cannot be read.
            UnreadableCommit: an attribute is missing or malformed.
        """
        try:
            return self._decode(item)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UnreadableCommit(f"the item of the commit is malformed: {error!r}") from error

    def _decode(self, item: Item) -> Commit[E]:
        encoding = item["z"]["S"]
        data = item["e"]["S"] if encoding == PLAIN else bytes(item["e"]["B"])
        return Commit(
            stream=item["p"]["S"],
            first=int(item["s"]["N"]),
            events=self._codec.decode(encoding, data),
            origin=Origin(
                command_id=item["c"]["S"],
                body_hash=item["h"]["S"],
                correlation_id=item["x"]["S"],
                at=int(item["t"]["N"]),
                causation_id=item["y"]["S"] if "y" in item else None,
                actor=item["a"]["S"] if "a" in item else None,
            ),
        )


def last_version(item: Item) -> int:
    """Return the version of the last event in a commit's item; of its first if it is malformed."""
    return _number(item, "s") + max(1, _number(item, "n")) - 1


def head_of(item: Item) -> tuple[int, int]:
    """Return (last version, time in UNIX milliseconds) of a commit's item."""
    return last_version(item), _number(item, "t")


def claim_key(claim: str) -> Item:
    """Return the key of a claim in the table `meta`."""
    return {"k": {"S": f"claim#{claim}"}}


def snapshot_key(stream: str) -> Item:
    """Return the key of a stream's snapshot in the table `meta`."""
    return {"k": {"S": f"snapshot#{stream}"}}


def encode_snapshot(snapshot: Snapshot) -> Item:
    """Return the item of a snapshot.

    Raises:
        CommitTooLarge: DynamoDB would reject the item.
    """
    item: Item = {
        **snapshot_key(snapshot.stream),
        "v": {"N": str(snapshot.version)},
        "m": {"N": str(snapshot.schema)},
        "b": {"B": zlib.compress(snapshot.state)},
        "f": {"S": snapshot.fingerprint},
        "i": {"N": str(snapshot.indexed)},
    }
    if (size := _size(item)) > MAX_COMMIT_BYTES:
        raise CommitTooLarge(f"the snapshot of {snapshot.stream} takes {size} bytes")
    return item


def decode_snapshot(stream: str, item: Item) -> Snapshot | None:
    """Return the snapshot of an item, or None if the item cannot be read."""
    try:
        return Snapshot(
            stream=stream,
            version=int(item["v"]["N"]),
            schema=int(item["m"]["N"]),
            state=zlib.decompress(bytes(item["b"]["B"])),
            fingerprint=item["f"]["S"],
            indexed=int(item["i"]["N"]),
        )
    except (LookupError, ValueError, TypeError, zlib.error):
        return None


def command_key(stream: str, command_id: str) -> Item:
    """Return the key of an indexed command in the table `meta`."""
    return {"k": {"S": f"command#{stream}#{command_id}"}}


def encode_command(command: ExecutedCommand, expires_at: int) -> Item:
    """Return the item that names the commit of a command, until `expires_at` (UNIX seconds)."""
    return {
        **command_key(command.stream, command.command_id),
        "s": {"N": str(command.first)},
        "ttl": {"N": str(expires_at)},
    }


def executed_command(item: Item) -> ExecutedCommand:
    """Return the command of a commit's item, whose events may be missing or unreadable."""
    return ExecutedCommand(
        stream=item["p"]["S"],
        command_id=str(item.get("c", {}).get("S", "")),
        first=_number(item, "s"),
        last=last_version(item),
        at=_number(item, "t"),
    )


def event_count(item: Item) -> int:
    """Return the number of events in a commit's item; 1 if it is malformed."""
    return max(1, _number(item, "n"))


def _number(item: Item, name: str) -> int:
    """Return an attribute, or 0 if it is missing or no integer: a scan must not end because of it.

    Who loads the stream learns that it cannot be read.
    """
    try:
        return int(item[name]["N"])
    except (KeyError, TypeError, ValueError):
        return 0


def _size(item: Item) -> int:
    """Return at least the bytes that DynamoDB counts: attribute names and values."""
    return sum(
        len(name) + len(value.encode() if isinstance(value, str) else value)
        for name, typed in item.items()
        for value in typed.values()
    )
