"""Count the request units of DynamoDB by the rules of AWS, from the sizes of items.

The local DynamoDB reports 1 for every request, whatever it reads or writes. AWS adds up the sizes
of the items that a Query reads, or takes that of the item of a GetItem, rounds up to 4 KB, and
charges 1 unit per 4 KB of a consistent read and 0.5 otherwise; an item that does not exist costs as
one of 4 KB. A written item costs 1 unit per KB, and 2 in a transaction, as does a check in one.
Attributes that a projection leaves out, and items that a filter leaves out, are charged and not
returned: requests that leave any out are counted in `partial`, and their units are not known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiobotocore.session import AioSession

READ_UNIT_BYTES: Final = 4_096
WRITE_UNIT_BYTES: Final = 1_024
_REQUEST: Final = "parameters of the request"
_READS: Final = ("Query", "GetItem")
_WRITES: Final = ("PutItem", "TransactWriteItems", "BatchWriteItem")


@dataclass
class RequestUnits:
    """Count the units of every answered request; one that the SDK repeats is counted once."""

    read: float = 0.0
    write: float = 0.0
    partial: int = 0
    """Requests that read more than they return, so that their units are not known."""

    def watch(self, session: AioSession) -> None:
        """Count the requests of all clients of DynamoDB that the session makes from now on."""
        session.register("before-parameter-build.dynamodb", _keep_request)
        for operation in _READS:
            session.register(f"after-call.dynamodb.{operation}", self._has_read)
        for operation in _WRITES:
            session.register(f"after-call.dynamodb.{operation}", self._has_written)

    def _has_read(self, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        request = context[_REQUEST]
        items = [parsed["Item"]] if "Item" in parsed else parsed.get("Items", [])
        self.partial += "ProjectionExpression" in request or "FilterExpression" in request
        blocks = _units(sum(map(item_bytes, items)), READ_UNIT_BYTES)
        self.read += blocks * (1.0 if request.get("ConsistentRead", False) else 0.5)

    def _has_written(self, context: dict[str, Any], **_: Any) -> None:
        self.write += sum(map(_units_of_write, _actions(context[_REQUEST])))


def _keep_request(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_REQUEST] = params


def _actions(request: Mapping[str, Any]) -> Iterable[tuple[int, Mapping[str, Any]]]:
    """Yield (units per KB, put or check) of each item that a request writes or checks."""
    if "Item" in request:
        yield 1, request
    for action in request.get("TransactItems", ()):
        yield 2, action.get("Put", {})
    for writes in request.get("RequestItems", {}).values():
        for write in writes:
            yield 1, write["PutRequest"]


def _units_of_write(action: tuple[int, Mapping[str, Any]]) -> int:
    each, put = action
    return each * _units(item_bytes(put.get("Item", {})), WRITE_UNIT_BYTES)


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the size of an item as AWS counts it: UTF-8 of names and texts, bytes, numbers.

    A number takes about one byte for two digits, and one more.
    """
    size = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        size += len(name.encode())
        match kind:
            case "S":
                size += len(value.encode())
            case "N":
                size += (len(value.lstrip("-").replace(".", "")) + 1) // 2 + 1
            case "B":
                size += len(value)
            case _:
                raise ValueError(f"no attribute of this system has the type {kind}")
    return size
