"""Replies and errors are those of aiobotocore, whatever the service sends."""

import base64
import json
import zlib
from typing import Any

import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ChecksumError
from botocore.parsers import ResponseParserError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws_json import JsonClient
from aws_json.client import METHODS
from aws_json.tests.scripted import Scripted, Server, open_client, outcome_of

many = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARAMETERS: dict[str, dict[str, Any]] = {
    "get_item": {"TableName": "t", "Key": {"p": {"S": "a"}}},
    "query": {"TableName": "t", "ExpressionAttributeValues": {":p": {"B": b"\x00\xff"}}},
    "scan": {"TableName": "t", "Segment": 0, "TotalSegments": 2},
    "put_item": {"TableName": "t", "Item": {"p": {"S": 'zażółć\n"\\'}, "n": {"N": "1.50"}}},
    "transact_write_items": {"ClientRequestToken": "token", "TransactItems": []},
    "send_message": {"QueueUrl": "q", "MessageBody": "b", "DelaySeconds": 1},
    "send_message_batch": {
        "QueueUrl": "q",
        "Entries": [
            {
                "Id": "0",
                "MessageBody": "b",
                "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": b"\xff"}},
            }
        ],
    },
    "receive_message": {"QueueUrl": "q", "MaxNumberOfMessages": 10},
    "delete_message_batch": {"QueueUrl": "q", "Entries": [{"Id": "0", "ReceiptHandle": "h"}]},
    "change_message_visibility": {"QueueUrl": "q", "ReceiptHandle": "h", "VisibilityTimeout": 0},
    "change_message_visibility_batch": {"QueueUrl": "q", "Entries": []},
}
CALLS = [(service, method) for service, methods in METHODS.items() for method in methods]

# a reply by botocore's model, as JSON


def values_of(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911  one answer per type
    """Return JSON values that a service may send for a shape."""
    match shape.type_name:
        case "structure" if depth < 6:
            members = {name: values_of(each, depth + 1) for name, each in shape.members.items()}
            if shape.name == "AttributeValue":  # it has one member
                found = {n: m for n, m in members.items() if depth < 4 or n in "SNB"}
                return st.one_of(*(st.fixed_dictionaries({n: m}) for n, m in found.items()))
            if depth == 0:
                members = {name: each | st.none() for name, each in members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(values_of(shape.member, depth + 1), max_size=2)
        case "map":
            return st.dictionaries(
                st.text(max_size=3), values_of(shape.value, depth + 1), max_size=2
            )
        case "blob":
            return st.binary(max_size=8).map(lambda value: base64.b64encode(value).decode())
        case "boolean":
            return st.booleans()
        case "integer" | "long":
            return st.integers(-(2**31), 2**31)
        case "float" | "double":
            return st.floats(allow_nan=False, allow_infinity=False, width=32)
        case "structure":
            return st.just({})
        case _:
            return st.text(max_size=5) | st.sampled_from(["B", "BS", "BinaryValue"])


def reply_of(service: str, method: str) -> st.SearchStrategy[Any]:
    model = MODELS[service]
    name = "".join(part.capitalize() for part in method.split("_"))
    shape = model.operation_model(name).output_shape
    return st.just({}) if shape is None else values_of(shape)


MODELS: dict[str, Any] = {}


@pytest.fixture(autouse=True, scope="module")
async def _models() -> None:
    session = get_session()
    for service in METHODS:
        MODELS[service] = await session.get_service_model(service)


@pytest.mark.parametrize(("service", "method"), CALLS)
@many
@given(data=st.data())
async def test_a_reply_is_that_of_aiobotocore(
    clients: dict[str, Any], service: str, method: str, server: Server, data: st.DataObject
) -> None:
    body = json.dumps(data.draw(reply_of(service, method))).encode()
    headers = {"x-amzn-RequestId": "id"} if data.draw(st.booleans()) else {}
    if service == "dynamodb":
        headers["x-amz-crc32"] = str(zlib.crc32(body))
    server.answer(Scripted(body, headers=headers))
    client = clients[service]
    generic = await getattr(client, method)(**PARAMETERS[method])
    assert await getattr(JsonClient(client), method)(**PARAMETERS[method]) == generic


@pytest.mark.parametrize(("service", "method"), CALLS)
async def test_a_request_carries_what_aiobotocore_sends(
    clients: dict[str, Any], service: str, method: str, server: Server
) -> None:
    client = clients[service]
    await getattr(client, method)(**PARAMETERS[method])
    await getattr(JsonClient(client), method)(**PARAMETERS[method])
    generic, ours = server.received
    assert json.loads(ours.body) == json.loads(generic.body)
    volatile = {"authorization", "x-amz-date", "content-length"}
    # only telemetry of the SDK is missing
    telemetry = {"amz-sdk-invocation-id", "amz-sdk-request"}
    assert generic.headers.keys() - ours.headers.keys() == telemetry
    assert {n: v for n, v in ours.headers.items() if n not in volatile} == {
        n: v for n, v in generic.headers.items() if n not in volatile | telemetry
    }


ERROR_CODES = st.sampled_from(
    [
        "ConditionalCheckFailedException", "TransactionCanceledException", "ValidationException",
        "ProvisionedThroughputExceededException", "AccessDeniedException", "QueueDoesNotExist",
        "ReceiptHandleIsInvalid", "InternalServerError", "TransactionConflictException",
    ]
)  # fmt: skip
ERRORS = st.fixed_dictionaries(
    {"__type": ERROR_CODES.map("com.amazonaws.dynamodb.v20120810#{}".format) | ERROR_CODES},
    optional={
        "message": st.text(max_size=10),
        "Message": st.text(max_size=10),
        "Item": st.just({"p": {"S": "a"}, "e": {"B": "AAE="}}),
        "CancellationReasons": st.just(
            [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"e": {"B": "AAE="}}}]
        ),
    },
).map(lambda error: json.dumps(error).encode())
GARBLED = st.sampled_from(
    [b"[]", b"1", b"", b"<html>Bad gateway</html>", b"{", b"upstream connect error"]
)


@pytest.fixture
def unlimited_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no call find the quota of its client used up by those before it."""
    monkeypatch.setattr("botocore.retries.quota.RetryQuota.acquire", lambda *_: True)


@pytest.mark.usefixtures("pauses", "unlimited_retries")
@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("dynamodb", "query"),
        ("dynamodb", "put_item"),
        ("dynamodb", "transact_write_items"),
        ("sqs", "send_message_batch"),
    ],
)
@many
@given(
    body=ERRORS | GARBLED,
    status=st.sampled_from([400, 403, 404, 413, 500, 502, 503, 504]),
    headers=st.sampled_from(
        [{}, {"x-amzn-RequestId": "id"}, {"x-amzn-query-error": "AWS.SimpleQueueService.X;Sender"}]
    ),
)
async def test_an_error_is_that_of_aiobotocore(  # noqa: PLR0917  pytest passes by name
    clients: dict[str, Any],
    service: str,
    method: str,
    server: Server,
    body: bytes,
    status: int,
    headers: dict[str, str],
) -> None:
    server.answer(Scripted(body, status, headers))
    client = clients[service]
    generic = await outcome_of(getattr(client, method)(**PARAMETERS[method]))
    attempts = len(server.received)
    ours = await outcome_of(getattr(JsonClient(client), method)(**PARAMETERS[method]))
    assert ours == generic
    assert len(server.received) == 2 * attempts


@pytest.mark.parametrize("body", [b"{", b"<html></html>", b"[]", b"null", b"\xff"])
async def test_a_success_that_cannot_be_read_is_an_error(
    dynamodb: Any, server: Server, body: bytes
) -> None:
    """aiobotocore returns an empty reply for some of them, as if nothing had been found."""
    server.answer(Scripted(body))
    with pytest.raises(ResponseParserError):
        await JsonClient(dynamodb).query(TableName="t")


@pytest.mark.usefixtures("pauses")
async def test_a_body_that_was_damaged_on_its_way_is_an_error(
    dynamodb: Any, server: Server
) -> None:
    """aiobotocore repeats such a call, and returns what it got last."""
    server.answer(Scripted(b'{"Items": []}', headers={"x-amz-crc32": "1"}))
    with pytest.raises(ChecksumError):
        await JsonClient(dynamodb).query(TableName="t")


async def test_a_transaction_has_one_token_in_all_attempts(
    server: Server, pauses: list[int]
) -> None:
    server.answer(Scripted(status=500), Scripted(status=500), Scripted())
    async with open_client("dynamodb", server.url, attempts=3) as client:
        await JsonClient(client).transact_write_items(TransactItems=[])
        await JsonClient(client).transact_write_items(TransactItems=[])
    tokens = [json.loads(each.body)["ClientRequestToken"] for each in server.received]
    assert len(tokens) == 4
    assert len(set(tokens[:3])) == 1
    assert tokens[3] != tokens[0]
    assert pauses == [1, 2]


@pytest.mark.parametrize("value", ["\ud800", 2**70])
async def test_what_orjson_refuses_is_sent_as_aiobotocore_sends_it(
    sqs: Any, server: Server, value: Any
) -> None:
    parameters = {"QueueUrl": "q", "MessageBody": value, "DelaySeconds": value}
    await outcome_of(sqs.send_message(QueueUrl="q", MessageBody="b", DelaySeconds=value))
    await JsonClient(sqs).send_message(**parameters)
    assert json.loads(server.received[-1].body)["MessageBody"] == value


async def test_a_value_that_is_no_json_is_refused(sqs: Any) -> None:
    with pytest.raises(TypeError, match="object cannot be sent"):
        await JsonClient(sqs).send_message(QueueUrl="q", MessageBody=object())


async def test_other_operations_are_those_of_the_client(dynamodb: Any, server: Server) -> None:
    server.answer(Scripted(b'{"TableNames": ["t"]}'))
    assert (await JsonClient(dynamodb).list_tables())["TableNames"] == ["t"]
    assert server.received[0].headers["amz-sdk-request"]


async def test_a_table_named_by_its_arn_is_left_to_the_client(
    dynamodb: Any, server: Server
) -> None:
    table = "arn:aws:dynamodb:eu-west-2:111122223333:table/t"
    await JsonClient(dynamodb).scan(TableName=table)
    await JsonClient(dynamodb).scan(TableName="t")
    assert ["amz-sdk-request" in each.headers for each in server.received] == [True, False]
