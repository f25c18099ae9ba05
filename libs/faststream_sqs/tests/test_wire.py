"""Any body and any headers travel within the limits of SQS."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faststream_sqs import MessageTooLargeError, wire
from faststream_sqs.connection import checked_size
from faststream_sqs.message import SQSRawMessage
from faststream_sqs.parser import SQSParser
from faststream_sqs.tests.scripted import SQSModel, StoredQueue, _check_message

HEADER_VALUES = st.one_of(
    st.text(), st.binary(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)


def raw(**fields: Any) -> SQSRawMessage:
    return SQSRawMessage(queue="q", queue_url="q", message_id="m", receipt_handle="r", **fields)


@pytest.mark.slow
@given(body=st.binary(), headers=st.dictionaries(st.text(max_size=300), HEADER_VALUES))
def test_every_body_and_header_survives(body: bytes, headers: dict[str, Any]) -> None:
    headers.pop(wire.BODY_ENCODING, None)
    headers.pop(wire.MORE_HEADERS, None)
    headers = {k: v for k, v in headers.items() if not _lone_surrogates(k)}
    text, encoding = wire.encode_body(body)
    attributes = wire.encode_headers({wire.BODY_ENCODING: encoding, **headers})
    _check_message(StoredQueue("q", {}), {"MessageBody": text, "MessageAttributes": attributes})
    back = wire.decode_headers(attributes)
    assert wire.decode_body(text, back.pop(wire.BODY_ENCODING, None)) == body
    assert back == headers


def _lone_surrogates(text: str) -> bool:
    return any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def test_the_eleventh_header_folds_and_what_tools_look_for_stays() -> None:
    headers = {f"h{number:02}": "v" for number in range(30)} | {
        "traceparent": "00-1-2-01",
        wire.CORRELATION_ID: "c",
    }
    attributes = wire.encode_headers(headers)
    assert len(attributes) == 10
    assert attributes["traceparent"]["StringValue"] == "00-1-2-01"
    assert attributes[wire.CORRELATION_ID]["StringValue"] == "c"
    assert wire.decode_headers(attributes) == headers


def test_ten_headers_need_no_folding() -> None:
    headers = {f"h{number}": "v" for number in range(10)}
    assert wire.MORE_HEADERS not in wire.encode_headers(headers)


@pytest.mark.parametrize(
    "attributes",
    [
        {wire.MORE_HEADERS: {"DataType": "String", "StringValue": "not json"}},
        {wire.MORE_HEADERS: {"DataType": "String", "StringValue": "[1]"}},
        {wire.MORE_HEADERS: {"DataType": "Binary", "BinaryValue": b"\xff"}},
        {wire.BODY_ENCODING: {"DataType": "String", "StringValue": "base64"}},
        {wire.CONTENT_TYPE: {"DataType": "Number", "StringValue": "7"}},
        {"odd": {"DataType": "Number.money", "StringValue": "many"}},
        {"blob": {"DataType": "Binary.png", "BinaryValue": b"\x00"}},
        {},
    ],
)
async def test_the_parser_never_raises_on_what_strangers_send(attributes: dict[str, Any]) -> None:
    message = await SQSParser(unwrap_sns=True).parse_message(
        raw(body='{"Type": "Notification"', message_attributes=attributes)
    )
    assert message.body == b'{"Type": "Notification"'


async def test_binary_attributes_of_strangers_stay_bytes() -> None:
    message = await SQSParser().parse_message(
        raw(body="x", message_attributes={"b": {"DataType": "Binary", "BinaryValue": b"\xff"}})
    )
    assert message.headers == {"b": b"\xff"}


async def test_an_sns_envelope_is_read_through_only_where_asked() -> None:
    envelope = (
        '{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-2:1:t",'
        ' "Message": "{\\"a\\": 1}",'
        ' "MessageAttributes": {"kind": {"Type": "String", "Value": "k"},'
        ' "blob": {"Type": "Binary", "Value": "/w=="}}}'
    )
    through = await SQSParser(unwrap_sns=True).parse_message(raw(body=envelope))
    assert (through.body, through.headers) == (b'{"a": 1}', {"kind": "k", "blob": b"\xff"})
    message = await SQSParser().parse_message(raw(body=envelope))
    assert message.body == envelope.encode()


def test_a_mebibyte_is_counted_with_its_attributes() -> None:
    attributes = wire.encode_headers({"name": "value"})
    weight = len("name") + len("String") + len("value")
    body = "x" * (wire.MAX_MESSAGE_BYTES - weight)
    checked_size({"MessageBody": body, "MessageAttributes": attributes})
    with pytest.raises(MessageTooLargeError):
        checked_size({"MessageBody": body + "x", "MessageAttributes": attributes})


def test_the_model_is_as_strict_as_the_service() -> None:
    model = SQSModel()
    asyncio.run(_strict(model))


async def _strict(model: SQSModel) -> None:
    url = model.create("q")
    attribute = {"DataType": "String", "StringValue": "v"}
    for params in (
        {"MessageBody": ""},
        {"MessageBody": "\x00"},
        {"MessageBody": "x" * (wire.MAX_MESSAGE_BYTES + 1)},
        {"MessageBody": "x", "MessageAttributes": {f"a{n}": attribute for n in range(11)}},
        {"MessageBody": "x", "MessageAttributes": {"AWS.x": attribute}},
        {"MessageBody": "x", "MessageAttributes": {"a": {"DataType": "String", "StringValue": ""}}},
        {"MessageBody": "x", "DelaySeconds": 901},
        {"MessageBody": "x", "MessageDeduplicationId": "d"},
    ):
        with pytest.raises(Exception, match=r"."):
            await model.handle("SendMessage", {"QueueUrl": url, **params})
    assert model.bodies("q") == []


@given(
    originals=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True), HEADER_VALUES, max_size=14
    )
)
def test_marks_fit_next_to_any_headers_and_can_be_removed_again(originals: dict[str, Any]) -> None:
    before = wire.encode_headers(originals)
    marks = {f"mark-{name}": name for name in "abcdef"}
    marked = wire.add_headers(before, marks, keep=("mark-a", "mark-b"))
    _check_message(StoredQueue("q", {}), {"MessageBody": "x", "MessageAttributes": marked})
    assert wire.decode_headers(marked) == wire.decode_headers(before) | marks
    assert {"mark-a", "mark-b"} <= marked.keys()
    restored = wire.remove_headers(marked, "mark-")
    _check_message(StoredQueue("q", {}), {"MessageBody": "x", "MessageAttributes": restored})
    assert wire.decode_headers(restored) == wire.decode_headers(before)


def test_marks_fit_next_to_ten_attributes_of_another_sender() -> None:
    picture = {"DataType": "Binary.png", "BinaryValue": b"\xff"}
    others = {f"p{number}": picture for number in range(7)}
    texts = {f"t{number}": {"DataType": "String", "StringValue": "v"} for number in range(3)}
    marked = wire.add_headers({**texts, **others}, {"mark-a": "a", "mark-b": "b"}, keep=("mark-a",))
    assert len(marked) == 10
    assert {name: marked[name] for name in others} == others
    assert wire.remove_headers(marked, "mark-") == {**others, **texts}
