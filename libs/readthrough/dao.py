"""Database Access Object: read and write the rows of a DynamoDB table by partition key."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final, Protocol

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

REGION: Final = "eu-west-2"
Row = dict[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class UnknownTable(LookupError):
    """The table does not exist: check its name, the region and the account."""


class Table(Protocol):
    """Describe the methods of a `DAO`, for other places to store rows in."""

    async def find_all_by_pk(self, partition_key_value: str) -> list[Row]: ...

    async def find_most_recent_by_pk(
        self, partition_key_value: str, *, until: float | str | None = None
    ) -> Row | None: ...

    async def find_count_by_pk(self, partition_key_value: str) -> int: ...

    async def insert_one(self, partition_key_value: str, item: Mapping[str, Any]) -> None: ...

    async def insert_new(self, partition_key_value: str, item: Mapping[str, Any]) -> None: ...


class DAO:
    """Read and write one table; the names of its keys are looked up at the first use.

    Numbers are returned as `Decimal` and bytes as `Binary`, as by boto3's table objects. Reads are
    strongly consistent. Throttled calls are retried by botocore, up to five attempts in all; then,
    as for any other failure, a method raises `botocore.exceptions.ClientError`.

    Args:
        table_name: An existing table.
        region_name: Its region; endpoint and credentials are botocore's own variables (`AWS_…`).
        client: An open aioboto3 DynamoDB client to use instead; its owner closes it.

    Raises:
        UnknownTable: (By every method.) The table does not exist.
    """

    def __init__(self, table_name: str, region_name: str = REGION, *, client: Any = None) -> None:
        self.table_name = table_name
        self.region_name = region_name
        self.partition_key_name = ""
        self.partition_range_name: str | None = None
        self._range_type = "S"
        self._client = client
        self._own = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()

    async def aclose(self) -> None:
        """Close the client, unless it was passed in."""
        await self._own.aclose()

    async def find_all_by_pk(self, partition_key_value: str) -> list[Row]:
        """Return all rows with this partition key, in the order of their range key."""
        return [row async for row in self._rows(partition_key_value)]

    async def find_most_recent_by_pk(
        self, partition_key_value: str, *, until: float | str | None = None
    ) -> Row | None:
        """Return the row with the highest range key, or the highest that is at most `until`.

        Raises:
            ValueError: `until` is given but the table has no range key.
        """
        rows = self._rows(partition_key_value, until=until, ScanIndexForward=False, Limit=1)
        async with contextlib.aclosing(rows):
            async for row in rows:
                return row
        return None

    async def find_count_by_pk(self, partition_key_value: str) -> int:
        """Return the number of rows with this partition key."""
        count = 0
        async for page in self._pages(partition_key_value, Select="COUNT"):
            count += page["Count"]
        return count

    async def insert_one(self, partition_key_value: str, item: Mapping[str, Any]) -> None:
        """Insert the first row of a partition key.

        In a table with a range key, two concurrent callers with different range keys can both
        succeed: DynamoDB has no condition on a partition.

        Raises:
            ConditionalCheckFailedException: (A `botocore` `ClientError`.) A row exists.
            ValueError: As `insert_new`.
        """
        client = await self._open()
        if self.partition_range_name is not None and await self.find_count_by_pk(
            partition_key_value
        ):
            raise _taken(client)
        await client.put_item(
            TableName=self.table_name,
            Item=self._item(partition_key_value, item),
            ConditionExpression="attribute_not_exists(#p)",
            ExpressionAttributeNames={"#p": self.partition_key_name},
        )

    async def insert_new(self, partition_key_value: str, item: Mapping[str, Any]) -> None:
        """Insert a row; one with the same keys is replaced.

        Raises:
            ValueError: The item lacks the range key, or names another partition key.
        """
        client = await self._open()
        await client.put_item(TableName=self.table_name, Item=self._item(partition_key_value, item))

    def _item(self, pk: str, item: Mapping[str, Any]) -> dict[str, Any]:
        named = item.get(self.partition_key_name, pk)
        if named != pk:
            raise ValueError(
                f"the item's {self.partition_key_name} is {named!r}, but it is stored under {pk!r}"
            )
        if self.partition_range_name is not None and self.partition_range_name not in item:
            raise ValueError(f"the item lacks the table's range key {self.partition_range_name}")
        return {
            name: _serialize(value) for name, value in {**item, self.partition_key_name: pk}.items()
        }

    async def _rows(
        self, pk: str, *, until: float | str | None = None, **options: Any
    ) -> AsyncGenerator[Row, None]:
        async for page in self._pages(pk, until=until, **options):
            for item in page["Items"]:
                yield {name: _deserialize(value) for name, value in item.items()}

    async def _pages(
        self, pk: str, *, until: float | str | None = None, **options: Any
    ) -> AsyncIterator[dict[str, Any]]:
        client = await self._open()
        names, values = {"#p": self.partition_key_name}, {":p": _serialize(pk)}
        condition = "#p = :p"
        if until is not None:
            if self.partition_range_name is None:
                raise ValueError(f"{self.table_name} has no range key to look up to {until!r}")
            condition += " AND #r <= :r"
            names["#r"] = self.partition_range_name
            values[":r"] = {self._range_type: str(until)}
        query = {
            "TableName": self.table_name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            **options,
        }
        while True:
            page = await client.query(**query)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                import aioboto3  # noqa: PLC0415  slow, and not needed with a client

                config = Config(retries={"mode": "standard", "total_max_attempts": 5})
                self._client = await self._own.enter_async_context(
                    aioboto3.Session().client(
                        "dynamodb", region_name=self.region_name, config=config
                    )
                )
            if not self.partition_key_name:
                await self._learn_keys()
        return self._client

    async def _learn_keys(self) -> None:
        try:
            table = (await self._client.describe_table(TableName=self.table_name))["Table"]
        except self._client.exceptions.ResourceNotFoundException as error:
            raise UnknownTable(
                f"table {self.table_name} was not found in {self.region_name}"
            ) from error
        names = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
        types = {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}
        self.partition_range_name = names.get("RANGE")
        if self.partition_range_name is not None:
            self._range_type = types[self.partition_range_name]
        self.partition_key_name = names["HASH"]


def _taken(client: Any) -> ClientError:
    error: ClientError = client.exceptions.ConditionalCheckFailedException(
        {
            "Error": {
                "Code": "ConditionalCheckFailedException",
                "Message": "The conditional request failed",
            }
        },
        "PutItem",
    )
    return error
