"""Encode any bytes and any headers within the limits of SQS, and decode them.

SQS takes a non-empty text body of XML characters and ten typed attributes with non-empty
values. Whatever does not fit travels all the same: other bodies as base64 with a marker,
surplus or unspeakable headers folded into one JSON attribute.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any

MAX_MESSAGE_BYTES = 1_048_576
MAX_ATTRIBUTES = 10

CONTENT_TYPE = "content-type"
CORRELATION_ID = "correlation_id"
REPLY_TO = "reply_to"
BODY_ENCODING = "faststream.body"
MORE_HEADERS = "faststream.headers"

# these are never folded when there are too many headers: other tools look for them
_FIRST = (BODY_ENCODING, CONTENT_TYPE, CORRELATION_ID, REPLY_TO, "traceparent", "tracestate")
_EMPTY = "-"
_UNSPEAKABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"(?!(?:aws|amazon)\.)[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\Z", re.IGNORECASE)
_MAX_NAME = 256

Attribute = dict[str, Any]


def encode_body(body: bytes) -> tuple[str, str | None]:
    """Return the text to send and the marker of its encoding, if any."""
    if not body:
        return _EMPTY, "empty"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b64encode(body).decode(), "base64"
    if _UNSPEAKABLE.search(text):
        return b64encode(body).decode(), "base64"
    return text, None


def decode_body(text: str, encoding: object) -> bytes:
    """Decode a body; an unknown or wrong marker leaves the text as it is."""
    if encoding == "empty":
        return b""
    if encoding == "base64":
        try:
            return b64decode(text, validate=True)
        except ValueError:
            return text.encode()
    return text.encode(errors="surrogatepass")


def encode_headers(headers: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return message attributes: at most ten, the surplus folded into the last."""
    plain: dict[str, Attribute] = {}
    folded: dict[str, Any] = {}
    for name, value in headers.items():
        if value is None:
            continue
        attribute = _attribute(name, value)
        if attribute is None:
            folded[name] = _foldable(value)
        else:
            plain[name] = attribute
    free = MAX_ATTRIBUTES - bool(folded)
    if len(plain) > free:
        for name in _surplus(plain, MAX_ATTRIBUTES - 1):
            del plain[name]
            folded[name] = _foldable(headers[name])
    if folded:
        plain[MORE_HEADERS] = _text_attribute(json.dumps(folded))
    return plain


def add_headers(
    attributes: Mapping[str, Attribute], headers: Mapping[str, Any], *, keep: Collection[str]
) -> dict[str, Attribute]:
    """Add headers to the attributes of a received message: at most ten, the surplus folded.

    Args:
        attributes: Those of any sender; they keep their types, unless one has to be folded.
        headers: Added as attributes, in place of those with the same names.
        keep: The added headers that are not folded; the others are folded first.
    """
    added = {name: item for name, value in headers.items() if (item := _attribute(name, value))}
    plain = {**attributes, **added}
    if len(plain) <= MAX_ATTRIBUTES:
        return plain
    more = plain.pop(MORE_HEADERS, None)
    folded = {} if more is None else _load(_value(more))
    optional = [name for name in added if name not in keep]
    originals = [name for name in reversed(plain) if name not in added]
    originals.sort(key=lambda name: _rank(name, plain[name]))
    surplus = len(plain) - (MAX_ATTRIBUTES - 1)
    for name in [*reversed(optional), *originals][:surplus]:
        folded[name] = _foldable(_value(plain.pop(name)))
    plain[MORE_HEADERS] = _text_attribute(json.dumps(folded))
    return plain


def remove_headers(attributes: Mapping[str, Attribute], prefix: str) -> dict[str, Attribute]:
    """Undo `add_headers` of headers that start with `prefix`, and what it had to fold."""
    plain = {name: item for name, item in attributes.items() if not name.startswith(prefix)}
    if (more := plain.pop(MORE_HEADERS, None)) is None:
        return plain
    folded = {n: v for n, v in _load(_value(more)).items() if not n.startswith(prefix)}
    restored = {
        name: item for name, value in _unfold(folded).items() if (item := _attribute(name, value))
    }
    left = {name: value for name, value in folded.items() if name not in restored}
    if len(plain) + len(restored) + bool(left) <= MAX_ATTRIBUTES:
        plain |= restored
        folded = left
    if folded:
        plain[MORE_HEADERS] = _text_attribute(json.dumps(folded))
    return plain


def clean_text(text: str, longest: int) -> str:
    """Return text that SQS accepts: illegal characters replaced, cut after `longest` characters."""
    return _UNSPEAKABLE.sub("\ufffd", text)[:longest]


def decode_headers(attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Decode attributes of any sender; never raises."""
    headers = {name: _value(attribute) for name, attribute in attributes.items()}
    if (folded := headers.pop(MORE_HEADERS, None)) is not None:
        headers |= _unfold(_load(folded))
    return headers


def entry_size(entry: Mapping[str, Any]) -> int:
    """Return the bytes that count against the limit: the body and every attribute."""
    size = _length(entry["MessageBody"])
    for name, attribute in entry.get("MessageAttributes", {}).items():
        value = attribute.get("StringValue") or attribute.get("BinaryValue") or ""
        size += len(name) + len(attribute["DataType"]) + _length(value)
    return size


def _length(value: str | bytes) -> int:
    if isinstance(value, str) and not value.isascii():
        return len(value.encode())
    return len(value)


def _attribute(name: str, value: object) -> Attribute | None:
    if len(name) > _MAX_NAME or not _ATTRIBUTE_NAME.match(name):
        return None
    if isinstance(value, bytes | bytearray):
        return {"DataType": "Binary", "BinaryValue": bytes(value)} if value else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"DataType": "Number", "StringValue": repr(value)}
    text = str(value)
    if not text or _UNSPEAKABLE.search(text):
        return None
    return _text_attribute(text)


def _text_attribute(text: str) -> Attribute:
    return {"DataType": "String", "StringValue": text}


def _rank(name: str, attribute: Attribute) -> tuple[bool, bool]:
    """Order attributes by how little is lost when they are folded: plain texts come first."""
    return name in _FIRST, attribute.get("DataType") != "String"


def _surplus(attributes: Mapping[str, Attribute], keep: int) -> list[str]:
    first = [name for name in _FIRST if name in attributes]
    others = [name for name in attributes if name not in _FIRST]
    return (first + others)[keep:]


def _foldable(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return {"b64": b64encode(value).decode()}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return str(value)


def _load(folded: object) -> dict[str, Any]:
    """Return folded headers; what another sender put under this name stays one header."""
    try:
        headers = json.loads(folded)  # type: ignore[arg-type]  # a stranger's type raises below
    except (TypeError, ValueError):
        headers = None
    return headers if isinstance(headers, dict) else {MORE_HEADERS: _foldable(folded)}


def _unfold(folded: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _unfolded(value) for name, value in folded.items()}


def _unfolded(value: object) -> object:
    try:
        return b64decode(value["b64"])  # type: ignore[index]  # not a dict: raises, as below
    except (TypeError, KeyError, ValueError):
        return value


def _value(attribute: Attribute) -> object:
    kind = attribute.get("DataType", "String")
    if kind.startswith("Binary"):
        return attribute.get("BinaryValue", b"")
    text = attribute.get("StringValue", "")
    return _number(text) if kind.startswith("Number") else text


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
