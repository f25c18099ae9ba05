"""The event store on DynamoDB: one item per commit, written on one condition.

Table `events`: `p` stream (hash key), `s` first version (range key, number), `n` how many events,
`c` command id, `h` its body's digest, `t` milliseconds, `x` correlation, `y` causation, `a` actor,
`e` the events, `z` their encoding. Table `meta`: `k` names claims (`o` is the owning stream) and
snapshots. One-letter names, because DynamoDB charges for them in every item.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Generic, TypeVar

import orjson
from botocore.exceptions import ClientError

from chassis.log.codec import PLAIN, Codec
from chassis.log.event_store import (
    MAX_COMMIT_BYTES,
    ClaimTaken,
    Commit,
    CommitTooLarge,
    Conflict,
    Head,
    HeadsPage,
    History,
    Origin,
    Page,
    Snapshot,
    UnknownEvent,
)
from contracts.messages import Event

E = TypeVar("E", bound=Event)
Item = dict[str, dict[str, Any]]

MAX_CLAIMS = 99
"""One transaction takes a hundred actions; the commit is one of them."""


class DynamoDBEventStore(Generic[E]):
    """`client` is a started aioboto3 client; the tables exist (deploy/template.yaml)."""

    def __init__(self, client: Any, *, events: str, meta: str, codec: Codec[E]) -> None:
        self._client = client
        self._events = events
        self._meta = meta
        self._codec = codec

    async def load(self, stream: str, *, after: int = 0) -> History[E]:
        commits = tuple([self._commit(item) async for item in self._items(stream, after)])
        version = commits[-1].last if commits else after
        return History(Head(stream, version), commits, after)

    async def head(self, stream: str) -> Head:
        reply = await self._client.query(
            TableName=self._events,
            KeyConditionExpression="p = :p",
            ExpressionAttributeValues={":p": {"S": stream}},
            ProjectionExpression="s, n",
            ScanIndexForward=False,
            Limit=1,
            ConsistentRead=True,
        )
        return Head(stream, sum(_last(item) for item in reply["Items"]))

    async def append(
        self, head: Head, events: Sequence[E], origin: Origin, *, claims: Sequence[str] = ()
    ) -> Commit[E]:
        item = self._item(head, events, origin)
        put = {
            "TableName": self._events,
            "Item": item,
            # whoever else writes after this head writes to this very key
            "ConditionExpression": "attribute_not_exists(p)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        standing = await (self._put_with_claims(put, head, claims) if claims else self._put(put))
        if standing is None:
            return Commit(head.stream, head.version + 1, tuple(events), origin)
        commit = self._commit(standing)
        if commit.answers(origin):
            return commit
        raise Conflict(head)

    async def snapshot(self, stream: str) -> Snapshot | None:
        reply = await self._client.get_item(
            TableName=self._meta, Key={"k": {"S": f"snapshot#{stream}"}}, ConsistentRead=True
        )
        item = reply.get("Item")
        if item is None:
            return None
        return Snapshot(
            stream=stream,
            version=int(item["v"]["N"]),
            schema=int(item["m"]["N"]),
            state=bytes(item["b"]["B"]),
            recent=tuple(
                (first, last, Origin(**origin))
                for first, last, origin in orjson.loads(item["r"]["S"])
            ),
        )

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        try:
            await self._client.put_item(
                TableName=self._meta,
                Item={
                    "k": {"S": f"snapshot#{snapshot.stream}"},
                    "v": {"N": str(snapshot.version)},
                    "m": {"N": str(snapshot.schema)},
                    "b": {"B": snapshot.state},
                    "r": {"S": orjson.dumps(snapshot.recent).decode()},
                },
                ConditionExpression="attribute_not_exists(k) OR v < :v",
                ExpressionAttributeValues={":v": {"N": str(snapshot.version)}},
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":  # a newer one stands: good
                raise

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        async for items, next_cursor, units in self._scan(segment, segments, cursor):
            commits: list[Commit[E]] = []
            unreadable: list[tuple[str, str]] = []
            for item in items:
                try:
                    commits.append(self._commit(item))
                except UnknownEvent as error:
                    unreadable.append((item["p"]["S"], str(error)))
            yield Page(tuple(commits), next_cursor, units, tuple(unreadable))

    async def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[HeadsPage]:
        pages = self._scan(segment, segments, cursor, ProjectionExpression="p, s, n, t")
        async for items, next_cursor, units in pages:
            heads: dict[str, tuple[int, int]] = {}
            for item in items:
                seen = (_last(item), int(item["t"]["N"]))
                stream = item["p"]["S"]
                heads[stream] = max(heads.get(stream, seen), seen)
            yield HeadsPage(heads, next_cursor, units)

    async def approximate_commits(self) -> int:
        described = await self._client.describe_table(TableName=self._events)
        return int(described["Table"].get("ItemCount", 0))

    async def _scan(
        self, segment: int, segments: int, cursor: str | None, **options: Any
    ) -> AsyncIterator[tuple[list[Item], str | None, float]]:
        """(items, cursor, read units) of each page."""
        request: dict[str, Any] = {
            "TableName": self._events,
            "ConsistentRead": True,
            "Segment": segment,
            "TotalSegments": segments,
            "ReturnConsumedCapacity": "TOTAL",
            **options,
        }
        while True:
            if cursor is not None:
                request["ExclusiveStartKey"] = orjson.loads(cursor)
            reply = await self._client.scan(**request)
            last = reply.get("LastEvaluatedKey")
            cursor = None if last is None else orjson.dumps(last).decode()
            yield (
                reply["Items"],
                cursor,
                reply.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0),
            )
            if cursor is None:
                return

    async def _items(self, stream: str, after: int) -> AsyncIterator[Item]:
        request: dict[str, Any] = {
            "TableName": self._events,
            "KeyConditionExpression": "p = :p AND s > :after",
            "ExpressionAttributeValues": {":p": {"S": stream}, ":after": {"N": str(after)}},
            "ConsistentRead": True,
        }
        while True:
            reply = await self._client.query(**request)
            for item in reply["Items"]:
                yield item
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    async def _put(self, put: dict[str, Any]) -> Item | None:
        """None when written, else the item that stands there."""
        try:
            await self._client.put_item(**put)
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":
                raise
            return _item_of(error.response)
        return None

    async def _put_with_claims(
        self, put: dict[str, Any], head: Head, claims: Sequence[str]
    ) -> Item | None:
        """As `_put`, in one transaction with the claims.

        The SDK gives every call a token of its own, so that its own retry after a lost reply
        does not meet itself; a new delivery of the command is told by its id in the commit.
        """
        if len(claims) > MAX_CLAIMS:
            raise CommitTooLarge(f"{len(claims)} claims in one commit; {MAX_CLAIMS} are possible")
        actions = [put, *(self._claim(claim, head.stream) for claim in claims)]
        try:
            await self._client.transact_write_items(
                TransactItems=[{"Put": action} for action in actions]
            )
        except ClientError as error:
            if _code(error) != "TransactionCanceledException":
                raise
            return _standing(error, head, claims)
        return None

    def _claim(self, claim: str, stream: str) -> dict[str, Any]:
        return {
            "TableName": self._meta,
            "Item": {"k": {"S": f"claim#{claim}"}, "o": {"S": stream}},
            "ConditionExpression": "attribute_not_exists(k) OR o = :stream",
            "ExpressionAttributeValues": {":stream": {"S": stream}},
        }

    def _item(self, head: Head, events: Sequence[E], origin: Origin) -> Item:
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

    def _commit(self, item: Item) -> Commit[E]:
        encoding = item["z"]["S"]
        data = item["e"]["S"].encode() if encoding == PLAIN else bytes(item["e"]["B"])
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


def _standing(error: ClientError, head: Head, claims: Sequence[str]) -> Item | None:
    """What stopped a transaction: the commit that stands there, else the reason as an error."""
    reasons = error.response["CancellationReasons"]
    failed = [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons]
    if failed[0]:
        return _item_of(reasons[0])
    for claim, taken in zip(claims, failed[1:], strict=True):
        if taken:
            raise ClaimTaken(claim) from error
    if any(reason.get("Code") == "TransactionConflict" for reason in reasons):
        raise Conflict(head) from error
    raise error


def _item_of(reply: Any) -> Item:
    item: Item = reply["Item"]
    return item


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _last(item: Item) -> int:
    return int(item["s"]["N"]) + int(item["n"]["N"]) - 1


def _size(item: Item) -> int:
    """Bytes that DynamoDB counts: names and values (numbers at their most)."""
    return sum(
        len(name) + len(value.encode() if isinstance(value, str) else value)
        for name, typed in item.items()
        for value in typed.values()
    )
