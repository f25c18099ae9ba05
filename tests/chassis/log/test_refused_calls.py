"""What DynamoDB refuses is a conflict, an outage, or a commit that is too large."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from chassis.log.event_store import (
    ClaimTaken,
    CommitTooLarge,
    Conflict,
    ExecutedCommand,
    Head,
    Origin,
    UnreadableCommit,
)
from chassis.resilience.outage import is_outage
from chassis.resilience.refusals import dependency_of
from tests.chassis.events import Counted
from tests.chassis.stores import dynamodb_store

ORIGIN = Origin("c1", "hash", "correlation", 1_800_000_000_000)


class Client:
    """Answers every call with one error, or with the same items."""

    def __init__(self, error: ClientError | None = None, *items: Any) -> None:
        self.error, self.items = error, items

    async def _answer(self, **_: Any) -> Any:
        if self.error is not None:
            raise self.error
        return {"Items": [*self.items]}

    put_item = transact_write_items = describe_table = query = scan = _answer


def refused(code: str, message: str = "", *reasons: str) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "CancellationReasons": [
            {"Code": reason, "Message": message if reason == "ValidationError" else ""}
            | ({"Item": {"o": {"S": "counter-b"}}} if reason == "ConditionalCheckFailed" else {})
            for reason in reasons
        ],
    }
    return ClientError(response, "TransactWriteItems" if reasons else "PutItem")


def cancelled(*reasons: str, message: str = "") -> ClientError:
    return refused("TransactionCanceledException", message, *reasons)


async def append(error: ClientError, *claims: str) -> BaseException:
    try:
        await dynamodb_store(Client(error)).append(
            Head("counter-a", 1), [Counted(by=1)], ORIGIN, claims=claims
        )
    except Exception as raised:  # noqa: BLE001  the result
        return raised
    raise AssertionError("appended")


TOO_LARGE = "Item size has exceeded the maximum allowed size"


@pytest.mark.parametrize(
    ("error", "claims", "expected"),
    [
        (refused("TransactionConflictException"), (), Conflict),
        (cancelled("TransactionConflict", "None"), ("name#a",), Conflict),
        (cancelled("None", "ConditionalCheckFailed"), ("name#a",), ClaimTaken),
        (refused("ValidationException", TOO_LARGE), (), CommitTooLarge),
        (cancelled("ValidationError", "None", message=TOO_LARGE), ("name#a",), CommitTooLarge),
    ],
)
async def test_a_refusal_with_a_meaning_is_named(
    error: ClientError, claims: tuple[str, ...], expected: type[Exception]
) -> None:
    assert isinstance(await append(error, *claims), expected)


@pytest.mark.parametrize(
    ("error", "claims"),
    [
        (cancelled("None", "ThrottlingError"), ("name#a",)),
        (cancelled("ThrottlingError", "TransactionConflict"), ("name#a",)),
        (cancelled("ProvisionedThroughputExceeded", "None"), ("name#a",)),
        (refused("ThrottlingException"), ("name#a",)),
        (refused("ExpiredTokenException"), ()),
    ],
)
async def test_every_other_refusal_is_an_outage(
    error: ClientError, claims: tuple[str, ...]
) -> None:
    assert is_outage(await append(error, *claims))


async def test_a_wrong_request_stays_an_error_of_this_program() -> None:
    assert not is_outage(await append(refused("ValidationException", "One or more parameters")))


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
async def test_an_estimate_that_is_refused_is_unknown(code: str) -> None:
    assert await dynamodb_store(Client(refused(code))).approximate_commits() == 0


class ThrottledBatches(Client):
    """Leaves the last item of each batch unwritten, a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.written: list[Any] = []

    async def batch_write_item(self, RequestItems: Any) -> Any:  # noqa: N803  boto's
        ((table, items),) = RequestItems.items()
        left = items[-1:] if self.times else []
        self.times -= 1
        self.written += items[: len(items) - len(left)]
        return {"UnprocessedItems": {table: left} if left else {}}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The attempts after which a batch paused."""
    attempts: list[int] = []

    def pause(attempt: int) -> float:
        attempts.append(attempt)
        return 0.0

    monkeypatch.setattr("chassis.log.dynamodb.pause_seconds", pause)
    return attempts


COMMANDS = [
    ExecutedCommand("counter-a", f"c{first}", first, first, ORIGIN.at) for first in (1, 2, 3)
]


async def test_items_that_a_throttled_batch_leaves_are_written_after_growing_pauses(
    pauses: list[int],
) -> None:
    client = ThrottledBatches(3)
    await dynamodb_store(client).index_commands(COMMANDS, expires_at=0)
    assert len(client.written) == len(COMMANDS)
    assert pauses == [1, 2, 3]


async def test_a_batch_that_stays_throttled_is_an_outage(pauses: list[int]) -> None:
    with pytest.raises(ClientError) as raised:
        await dynamodb_store(ThrottledBatches(1_000)).index_commands(COMMANDS, expires_at=0)
    assert is_outage(raised.value)
    assert dependency_of(raised.value) == "dynamodb"
    assert pauses


KEY = {"p": {"S": "counter-a"}, "s": {"N": "1"}}
REST = {
    "n": {"N": "1"}, "c": {"S": "c1"}, "h": {"S": "hash"}, "t": {"N": "1"}, "x": {"S": "x"},
    "e": {"S": "[]"}, "z": {"S": "j"},
}  # fmt: skip
DAMAGED = [
    *({**KEY, **{n: v for n, v in REST.items() if n != gone}} for gone in REST if gone != "n"),
    {**KEY, **REST},  # no event
    {**KEY, **REST, "e": {"S": '{"no": "list"}'}},
    {**KEY, **REST, "e": {"B": b"bytes"}},
    {**KEY, **REST, "z": {"S": "z"}, "e": {"B": b"not compressed"}},
    {**KEY, **REST, "t": {"S": "yesterday"}},
    KEY,
]  # fmt: skip


@pytest.mark.parametrize("item", DAMAGED)
async def test_a_damaged_item_is_unreadable_and_ends_no_scan(item: Any) -> None:
    store = dynamodb_store(Client(None, item))
    with pytest.raises(UnreadableCommit):
        await store.load("counter-a")
    (page,) = [page async for page in store.scan()]
    assert (page.commits, [stream for stream, _ in page.unreadable]) == ((), ["counter-a"])
    (heads,) = [page async for page in store.scan_heads()]
    assert heads.heads["counter-a"][0] == 1
    assert (await store.head("counter-a")).version == 1


def stored(first: int) -> Any:
    events = {"e": {"S": '[{"t":"Counted","v":2,"d":{"by":1}}]'}}
    return {**KEY, **REST, **events, "s": {"N": str(first)}}


@pytest.mark.parametrize("versions", [(2,), (1, 3), (1, 2, 2), (1, 2, 5, 6)])
async def test_a_stream_that_lacks_a_commit_cannot_be_loaded(versions: tuple[int, ...]) -> None:
    """A decision must not rest on an incomplete history."""
    store = dynamodb_store(Client(None, *map(stored, versions)))
    with pytest.raises(UnreadableCommit):
        await store.load("counter-a")
    newest = dynamodb_store(Client(None, *map(stored, reversed(versions))))
    with pytest.raises(UnreadableCommit):
        await newest.load_newest("counter-a", commits=100)


async def test_the_end_of_a_stream_can_be_loaded_alone() -> None:
    store = dynamodb_store(Client(None, stored(5), stored(6)))
    assert (await store.load("counter-a", after=4)).head == Head("counter-a", 6)
    newest = dynamodb_store(Client(None, stored(6), stored(5)))
    assert (await newest.load_newest("counter-a", commits=2)).after == 4
