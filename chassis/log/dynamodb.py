"""Store events in DynamoDB: one item per commit, written by one conditional request."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Generic, TypeVar

import orjson
import structlog
from botocore.exceptions import ClientError

from chassis.log.codec import Codec
from chassis.log.dynamodb_items import (
    COMMAND_ATTRIBUTES,
    HEAD_ATTRIBUTES,
    CommitItems,
    Item,
    claim_key,
    command_key,
    decode_snapshot,
    encode_command,
    encode_snapshot,
    event_count,
    executed_command,
    head_of,
    last_version,
    snapshot_key,
)
from chassis.log.event_store import (
    ClaimTaken,
    Commit,
    CommitTooLarge,
    Conflict,
    ExecutedCommand,
    Head,
    HeadsPage,
    History,
    Origin,
    Page,
    Snapshot,
    UnknownEvent,
    check_claims,
    check_contiguous,
)
from chassis.log.slices import slices
from chassis.resilience.outage import is_outage, pause_seconds
from chassis.resilience.refusals import cancellation_codes, reason_of
from contracts.messages import Event

E = TypeVar("E", bound=Event)

log = structlog.get_logger(__name__)

PAGE_COMMITS: Final = 200
"""Commits on one page of a scan: parsing a larger reply would block the event loop for too long."""
QUERY_COMMITS: Final = 100
"""Commits on one page of a stream, as many as are read of a long one."""
_BATCH: Final = 25
"""Items of one BatchWriteItem."""
_BATCHES_AT_ONCE: Final = 8
_BATCH_ATTEMPTS: Final = 5
_THROTTLED: Final[Any] = {
    "Error": {"Code": "ThrottlingException", "Message": "items of a batch were not written"}
}
_FILTERED_PAGE: Final = 10_000
"""Items that DynamoDB filters for one reply, of which it returns few."""


_TOO_LARGE: Final = re.compile(r"[Ii]tem size .*exceed|exceed.* maximum allowed size")


class DynamoDBEventStore(Generic[E]):
    """Store the events of one service in its two tables, `events` and `meta`.

    `client` is a started client of aiobotocore; the tables must exist (deploy/aws/data).
    """

    def __init__(self, client: Any, *, events: str, meta: str, codec: Codec[E]) -> None:
        self._client = client
        self._events = events
        self._meta = meta
        self._items = CommitItems(codec)

    async def load(self, stream: str, *, after: int = 0) -> History[E]:
        commits: list[Commit[E]] = []
        async for items in self._query(stream, after):
            commits += await self._decoded(items)
        check_contiguous(commits, complete=after == 0)
        version = commits[-1].last if commits else after
        return History(Head(stream, version), tuple(commits), after)

    async def load_newest(self, stream: str, *, commits: int) -> History[E]:
        items: list[Item] = []
        async for page in self._query(stream, 0, ScanIndexForward=False, Limit=commits):
            items += page
            if len(items) >= commits:
                break
        newest = await self._decoded(items[:commits][::-1])
        check_contiguous(newest, complete=len(items) < commits)
        after = newest[0].first - 1 if newest else 0
        return History(Head(stream, newest[-1].last if newest else 0), tuple(newest), after)

    async def commit(self, stream: str, first: int) -> Commit[E] | None:
        reply = await self._client.get_item(
            TableName=self._events,
            Key={"p": {"S": stream}, "s": {"N": str(first)}},
            ConsistentRead=True,
        )
        item = reply.get("Item")
        return None if item is None else self._items.decode(item)

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
        return Head(stream, sum(last_version(item) for item in reply["Items"]))

    async def append(
        self,
        head: Head,
        events: Sequence[E],
        origin: Origin,
        *,
        claims: Sequence[str] = (),
        unclaimed: Sequence[str] = (),
    ) -> Commit[E]:
        check_claims(claims, unclaimed)
        put = {
            "TableName": self._events,
            "Item": self._items.encode(head, events, origin),
            # every other writer after this head writes to the same key
            "ConditionExpression": "attribute_not_exists(p)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        existing = await (
            self._put_with_claims(put, head, claims, unclaimed)
            if claims or unclaimed
            else self._put(put, head)
        )
        if existing is None:
            return Commit(head.stream, head.version + 1, tuple(events), origin)
        commit = self._items.decode(existing)
        if commit.results_from(origin):
            return commit
        raise Conflict(head)

    async def snapshot(self, stream: str) -> Snapshot | None:
        # not a consistent read, which costs twice: an older snapshot of the same log is as good
        reply = await self._client.get_item(TableName=self._meta, Key=snapshot_key(stream))
        item = reply.get("Item")
        return None if item is None else decode_snapshot(stream, item)

    async def save_snapshot(self, snapshot: Snapshot, *, replaces: str = "") -> bool:
        try:
            item = encode_snapshot(snapshot)
        except CommitTooLarge:
            return False
        try:
            await self._client.put_item(
                TableName=self._meta,
                Item=item,
                ConditionExpression="attribute_not_exists(k) OR v < :v OR f = :f",
                ExpressionAttributeValues={
                    ":v": {"N": str(snapshot.version)},
                    ":f": {"S": replaces or "none"},
                },
            )
        except ClientError as error:
            if _code(error) != "ConditionalCheckFailedException":  # a newer one exists
                raise
        return True

    async def executed_commands(
        self, stream: str, *, after: int, limit: int
    ) -> Sequence[ExecutedCommand]:
        items: list[Item] = []
        options = {"Limit": limit, "ProjectionExpression": COMMAND_ATTRIBUTES}
        async for page in self._query(stream, after, **options):
            items += page
            if len(items) >= limit:
                break
        return [executed_command(item) for item in items[:limit]]

    async def find_command(
        self, stream: str, command_id: str, *, after: int, until: int
    ) -> int | None:
        options = {
            "KeyConditionExpression": "p = :p AND s BETWEEN :first AND :until",
            "FilterExpression": "c = :command",
            "ProjectionExpression": "s",
            "ExpressionAttributeValues": {
                ":p": {"S": stream},
                ":first": {"N": str(after + 1)},
                ":until": {"N": str(until)},
                ":command": {"S": command_id},
            },
            "Limit": _FILTERED_PAGE,
        }
        async for page in self._query(stream, after, **options):
            for item in page:
                return int(item["s"]["N"])
        return None

    async def index_commands(self, commands: Sequence[ExecutedCommand], *, expires_at: int) -> None:
        entries = [encode_command(command, expires_at) for command in commands]
        batches = [entries[start : start + _BATCH] for start in range(0, len(entries), _BATCH)]
        async for some in slices(batches, _BATCHES_AT_ONCE):
            await asyncio.gather(*map(self._write_batch, some))

    async def _write_batch(self, items: Sequence[Item]) -> None:
        """Write items; what a throttled table leaves unwritten is tried again after a pause.

        Raises:
            ClientError: the table is still throttled.
        """
        unwritten = [{"PutRequest": {"Item": item}} for item in items]
        for attempt in range(1, _BATCH_ATTEMPTS + 1):
            reply = await self._client.batch_write_item(RequestItems={self._meta: unwritten})
            unwritten = reply.get("UnprocessedItems", {}).get(self._meta, [])
            if not unwritten:
                return
            await asyncio.sleep(pause_seconds(attempt))
        raise ClientError(_THROTTLED, "BatchWriteItem")

    async def indexed_commit(self, stream: str, command_id: str) -> int | None:
        reply = await self._client.get_item(
            TableName=self._meta, Key=command_key(stream, command_id), ConsistentRead=True
        )
        item = reply.get("Item")
        return None if item is None else int(item["s"]["N"])

    async def scan(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None
    ) -> AsyncIterator[Page[E]]:
        async for items, next_cursor, units in self._scan(segment, segments, cursor):
            commits: list[Commit[E]] = []
            unreadable: list[tuple[str, str]] = []
            async for some in slices(items, weigh=event_count):
                for item in some:
                    try:
                        commits.append(self._items.decode(item))
                    except UnknownEvent as error:
                        unreadable.append((item["p"]["S"], str(error)))
            yield Page(tuple(commits), next_cursor, units, tuple(unreadable))

    async def scan_heads(
        self, *, segment: int = 0, segments: int = 1, cursor: str | None = None, since_ms: int = 0
    ) -> AsyncIterator[HeadsPage]:
        options: dict[str, Any] = {"ProjectionExpression": HEAD_ATTRIBUTES}
        if since_ms:
            options |= {
                "FilterExpression": "t >= :since",
                "ExpressionAttributeValues": {":since": {"N": str(since_ms)}},
                "Limit": _FILTERED_PAGE,
            }
        pages = self._scan(segment, segments, cursor, **options)
        async for items, next_cursor, units in pages:
            heads: dict[str, tuple[int, int]] = {}
            for item in items:
                stream, head = item["p"]["S"], head_of(item)
                heads[stream] = max(heads.get(stream, head), head)
            yield HeadsPage(heads, next_cursor, units)

    async def approximate_commits(self) -> int:
        try:
            described = await self._client.describe_table(TableName=self._events)
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("commits_not_estimated", because=reason_of(error))
            return 0
        return int(described["Table"].get("ItemCount", 0))

    async def _scan(
        self, segment: int, segments: int, cursor: str | None, **options: Any
    ) -> AsyncIterator[tuple[list[Item], str | None, float]]:
        """Yield (items, cursor, read units) of each page."""
        request: dict[str, Any] = {
            "TableName": self._events,
            "ConsistentRead": True,
            "Segment": segment,
            "TotalSegments": segments,
            "ReturnConsumedCapacity": "TOTAL",
            "Limit": PAGE_COMMITS,
            **options,
        }
        while True:
            if cursor is not None:
                request["ExclusiveStartKey"] = orjson.loads(cursor)
            reply = await self._client.scan(**request)
            last = reply.get("LastEvaluatedKey")
            cursor = None if last is None else orjson.dumps(last).decode()
            units = reply.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
            yield reply["Items"], cursor, units
            if cursor is None:
                return

    async def _query(
        self, stream: str, after: int, **options: Any
    ) -> AsyncIterator[Sequence[Item]]:
        """Yield the items of the stream's commits after a version, page by page."""
        request: dict[str, Any] = {
            "TableName": self._events,
            "KeyConditionExpression": "p = :p AND s > :after",
            "ExpressionAttributeValues": {":p": {"S": stream}, ":after": {"N": str(after)}},
            "ConsistentRead": True,
            "Limit": QUERY_COMMITS,
            **options,
        }
        while True:
            reply = await self._client.query(**request)
            yield reply["Items"]
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    async def _decoded(self, items: Sequence[Item]) -> list[Commit[E]]:
        commits: list[Commit[E]] = []
        if len(items) >= QUERY_COMMITS:
            await asyncio.sleep(0)  # parsing them took as long as decoding them will
        async for some in slices(items, weigh=event_count):
            commits += [self._items.decode(item) for item in some]
        return commits

    async def _put(self, put: dict[str, Any], head: Head) -> Item | None:
        """Write the commit and return None, or return the item that exists under its key."""
        try:
            await self._client.put_item(**put)
        except ClientError as error:
            if _code(error) == "TransactionConflictException":  # a transaction is writing the item
                raise Conflict(head) from error
            _require_size(error, [str(error)])
            if _code(error) != "ConditionalCheckFailedException":
                raise
            return _existing_item(error.response)
        return None

    async def _put_with_claims(
        self, put: dict[str, Any], head: Head, claims: Sequence[str], unclaimed: Sequence[str]
    ) -> Item | None:
        """Append like `_put`, in one transaction with the claims.

        The SDK generates a token for each call, so its own retry after a lost reply does not
        conflict with itself. A redelivered command is recognised by its id in the commit.
        """
        takes = ({"Put": self._claim(claim, head.stream)} for claim in claims)
        checks = ({"ConditionCheck": self._check(claim, head.stream)} for claim in unclaimed)
        try:
            await self._client.transact_write_items(TransactItems=[{"Put": put}, *takes, *checks])
        except ClientError as error:
            if _code(error) != "TransactionCanceledException":
                raise
            return _cause_of_cancellation(error, head, (*claims, *unclaimed))
        return None

    def _claim(self, claim: str, stream: str) -> dict[str, Any]:
        return {"Item": {**claim_key(claim), "o": {"S": stream}}, **self._held_by(stream)}

    def _check(self, claim: str, stream: str) -> dict[str, Any]:
        return {"Key": claim_key(claim), **self._held_by(stream)}

    def _held_by(self, stream: str) -> dict[str, Any]:
        """Return the condition that a claim is free, or held by this stream."""
        return {
            "TableName": self._meta,
            "ConditionExpression": "attribute_not_exists(k) OR o = :stream",
            "ExpressionAttributeValues": {":stream": {"S": stream}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


def _cause_of_cancellation(error: ClientError, head: Head, claims: Sequence[str]) -> Item:
    """Return the existing commit that cancelled a transaction; raise any other reason.

    A conflict next to a refusal, such as a throttled item, is not a conflict: an attempt at once
    would be refused again.
    """
    codes = cancellation_codes(error)
    reasons: Sequence[Any] = error.response.get("CancellationReasons", ())
    _require_size(error, [str(reason.get("Message", "")) for reason in reasons])
    if codes and codes[0] == "ConditionalCheckFailed":
        return _existing_item(error.response["CancellationReasons"][0])
    for claim, code, reason in zip(claims, codes[1:], reasons[1:], strict=False):
        if code == "ConditionalCheckFailed":
            raise ClaimTaken(claim, _existing_item(reason)["o"]["S"]) from error
    if set(codes) - {"None"} == {"TransactionConflict"}:
        raise Conflict(head) from error
    raise error


def _require_size(error: ClientError, messages: Sequence[str]) -> None:
    """Raise `CommitTooLarge` if DynamoDB counts more bytes than `CommitItems.encode` did."""
    if any(_TOO_LARGE.search(message) for message in messages):
        raise CommitTooLarge(str(error)) from error


def _existing_item(reply: Any) -> Item:
    item: Item = reply["Item"]
    return item


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
