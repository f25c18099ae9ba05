"""Store rows in memory, for tests and for programs without AWS."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from readthrough.dao import Row


@dataclass(slots=True)
class MemoryTable:
    """Store rows by partition key and, if `partition_range_name` is not None, range key.

    The methods behave as those of `DAO`, except that nothing is converted to `Decimal`.
    """

    partition_key_name: str = "pk"
    partition_range_name: str | None = "computedAt"
    _rows: dict[str, dict[Any, Row]] = field(default_factory=lambda: defaultdict(dict))

    async def find_all_by_pk(self, partition_key_value: str) -> list[Row]:
        rows = self._rows.get(partition_key_value, {})
        return [dict(rows[key]) for key in sorted(rows)]

    async def find_most_recent_by_pk(
        self, partition_key_value: str, *, until: float | str | None = None
    ) -> Row | None:
        if until is not None and self.partition_range_name is None:
            raise ValueError(f"there is no range key to look up to {until!r}")
        rows = self._rows.get(partition_key_value, {})
        keys = [key for key in rows if until is None or key <= until]
        return dict(rows[max(keys)]) if keys else None

    async def find_count_by_pk(self, partition_key_value: str) -> int:
        return len(self._rows.get(partition_key_value, {}))

    async def insert_one(self, partition_key_value: str, item: Mapping[str, Any]) -> None:
        if self._rows.get(partition_key_value):
            code = {
                "Code": "ConditionalCheckFailedException",
                "Message": "The conditional request failed",
            }
            raise ConditionalCheckFailedException({"Error": code}, "PutItem")
        await self.insert_new(partition_key_value, item)

    async def insert_new(self, partition_key_value: str, item: Mapping[str, Any]) -> None:
        named = item.get(self.partition_key_name, partition_key_value)
        if named != partition_key_value:
            raise ValueError(
                f"the item is {named!r}, but it is stored under {partition_key_value!r}"
            )
        row = {**item, self.partition_key_name: partition_key_value}
        try:
            key = row[self.partition_range_name] if self.partition_range_name else None
        except KeyError as error:
            raise ValueError(f"the item lacks the table's range key {error.args[0]}") from error
        self._rows[partition_key_value][key] = row


class ConditionalCheckFailedException(ClientError):  # type: ignore[misc]  # published without types
    """Report an existing row, under the name that the DynamoDB client uses."""
