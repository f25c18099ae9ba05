"""Encode the parameters of an operation as JSON and decode its reply, by botocore's model."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import orjson
from botocore.parsers import ResponseParserError

from aws_json.blobs import Blobs
from aws_json.http import Response


class Operation:
    """Convert the parameters and replies of one operation.

    Args:
        method: Name of the method of botocore's client.
        model: botocore's model of the operation.
    """

    def __init__(self, method: str, model: Any) -> None:
        self.method: Final = method
        self.model: Final = model
        self.name: Final = str(model.name)
        self._tokens: Final = tuple(model.idempotent_members)
        self._blobs: Final = Blobs(model.output_shape)

    def encode(self, parameters: Mapping[str, Any]) -> bytes:
        """Return the body of a request; an idempotency token that is missing is generated.

        Raises:
            TypeError: A value cannot be written as JSON.
        """
        for token in self._tokens:
            if token not in parameters:
                parameters = {**parameters, token: str(uuid4())}
        try:
            return orjson.dumps(parameters, default=_encodable)
        except orjson.JSONEncodeError:  # half of a surrogate pair, or a number of over 64 bits
            return json.dumps(parameters, default=_encodable, separators=(",", ":")).encode()

    def decode(self, response: Response, retries: int) -> dict[str, Any]:
        """Return the reply in a successful response.

        Raises:
            ResponseParserError: The body is no JSON object.
        """
        reply = _parse(response.body) if response.body else {}
        self._blobs.decode(reply, response.body)
        reply["ResponseMetadata"] = {
            "HTTPStatusCode": response.status,
            "HTTPHeaders": response.headers,
            "RetryAttempts": retries,
        }
        if (request_id := response.headers.get("x-amzn-requestid")) is not None:
            reply["ResponseMetadata"]["RequestId"] = request_id
        return reply


def _parse(body: bytes) -> dict[str, Any]:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ResponseParserError(f"the reply is no JSON: {error}") from error
    if not isinstance(reply, dict):
        raise ResponseParserError("the reply is no JSON object")
    return {name: value for name, value in reply.items() if value is not None}


def _encodable(value: object) -> object:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
