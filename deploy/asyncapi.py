"""Describe the bus as AsyncAPI 3.0 from the declarations of the services.

Every queue is a channel, whose messages are commands or events of the contracts, with the headers
that travel as message attributes. `make generate` stores the document in docs/asyncapi.json.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chassis.bus.announcements import EVENT_ID, announcements_queue
from chassis.bus.commands import (
    ACTOR,
    BODY_HASH,
    CAUSATION_ID,
    COMMAND_ID,
    TRACEPARENT,
    commands_queue,
)
from contracts.registry import SUBSCRIPTIONS
from contracts.subscription import Subscription, members_of
from deploy.folders import GATEWAY, ROOT
from deploy.services import declared_services

FILE: Final = ROOT / "docs" / "asyncapi.json"
STACK: Final = "vouch"
_SCHEMAS: Final = "#/components/schemas/"
_TEXT: Final = {"type": "string"}
_HEADERS: Final = {
    "command": {COMMAND_ID: _TEXT, BODY_HASH: _TEXT, CAUSATION_ID: _TEXT},
    "event": {EVENT_ID: _TEXT},
}
_ALWAYS: Final = {"correlation_id": _TEXT, ACTOR: _TEXT, TRACEPARENT: _TEXT}

Json = dict[str, Any]


def describe() -> Json:
    """Return the AsyncAPI document."""
    received: dict[str, list[tuple[str, type[BaseModel]]]] = {}
    senders: dict[str, list[str]] = {}
    for service in declared_services():
        queue = commands_queue(STACK, service.name)
        received[queue] = [("command", cls) for cls in members_of(service.commands)]
        senders[queue] = [GATEWAY, *_senders_of_commands(service.name)]
    for subscription in SUBSCRIPTIONS:
        queue = announcements_queue(STACK, subscription.service)
        received[queue] = [("event", cls) for cls in subscription.event_types]
        senders[queue] = _announcing(subscription)
    classes = sorted(
        {cls for rows in received.values() for _, cls in rows}, key=lambda c: c.__name__
    )
    _, definitions = models_json_schema(
        [(cls, "serialization") for cls in classes], ref_template=_SCHEMAS + "{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vouch bus",
            "version": "0.1.0",
            "description": "SQS FIFO queues. The message group is the stream that a message "
            "is about. Names of queues start with the name of the stack.",
        },
        "servers": {"sqs": {"host": "sqs.{region}.amazonaws.com", "protocol": "sqs",
                            "variables": {"region": {"default": "eu-west-2"}}}},
        "channels": {queue: _channel(queue, rows) for queue, rows in received.items()},
        "operations": _operations(received, senders),
        "components": {
            "messages": {
                cls.__name__: _message(kind, cls)
                for rows in received.values()
                for kind, cls in rows
            },
            "schemas": definitions["$defs"],
        },
    }  # fmt: skip


def _senders_of_commands(receiver: str) -> list[str]:
    """Return the services, besides the gateway, that send commands to a service."""
    return [
        service.name
        for service in declared_services()
        if any(command.service == receiver for command in service.sends)
    ]


def _announcing(subscription: Subscription) -> list[str]:
    """Return the services that own the events of a subscription."""
    owners = [
        service.name
        for service in declared_services()
        if any(service.codec.knows(event) for event in subscription.event_types)
    ]
    return sorted(owners)


def _channel(queue: str, rows: list[tuple[str, type[BaseModel]]]) -> Json:
    messages = {cls.__name__: {"$ref": f"#/components/messages/{cls.__name__}"} for _, cls in rows}
    about = {"queue": {"name": queue, "fifoQueue": True, "deduplicationScope": "messageGroup"}}
    return {"address": queue, "messages": messages, "bindings": {"sqs": about}}


def _message(kind: str, cls: type[BaseModel]) -> Json:
    headers = {"type": "object", "properties": {**_HEADERS[kind], **_ALWAYS}}
    return {
        "name": cls.__name__,
        "title": (cls.__doc__ or cls.__name__).splitlines()[0],
        "contentType": "application/json",
        "headers": headers,
        "payload": {"$ref": f"{_SCHEMAS}{cls.__name__}"},
    }


def _operations(queues: Iterable[str], senders: Mapping[str, list[str]]) -> Json:
    operations: Json = {}
    for queue in queues:
        service = queue.removeprefix(f"{STACK}-").split("-")[0]
        channel = {"$ref": f"#/channels/{queue.replace('/', '~1')}"}
        name = queue.removeprefix(f"{STACK}-").removesuffix(".fifo")
        operations[f"{service} receives {name}"] = {"action": "receive", "channel": channel}
        for sender in senders[queue]:
            operations[f"{sender} sends {name}"] = {"action": "send", "channel": channel}
    return operations


def text() -> str:
    """Return the document as it is stored."""
    return json.dumps(describe(), indent=1, sort_keys=True) + "\n"
