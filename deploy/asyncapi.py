"""The bus, described as AsyncAPI 3.0 from what the services declare: python -m deploy.asyncapi.

Written to docs/asyncapi.json. Every queue is a channel; what may lie in it are the messages of the
contracts, with the headers that travel as message attributes.
"""

import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Union, get_args, get_origin

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
from compute.app import definition
from compute.settings import Settings as ComputeSettings
from contracts.compute import ComputeCommand
from contracts.invites import InviteCommand
from contracts.messages import Event
from contracts.referrals import ReferralCommand
from invites.app import INVITES
from referrals.app import REFERRALS

FILE: Final = Path(__file__).parents[1] / "docs" / "asyncapi.json"
STACK: Final = "vouch"
_SCHEMAS: Final = "#/components/schemas/"
_TEXT: Final = {"type": "string"}
_HEADERS: Final = {
    "command": {COMMAND_ID: _TEXT, BODY_HASH: _TEXT, CAUSATION_ID: _TEXT},
    "event": {EVENT_ID: _TEXT},
}
_ALWAYS: Final = {"correlation_id": _TEXT, ACTOR: _TEXT, TRACEPARENT: _TEXT}

Json = dict[str, Any]


@dataclass(frozen=True)
class Bus:
    """What one service hears and tells."""

    service: str
    commands: Any
    """A union of commands."""
    announces: Mapping[type[Event], Iterable[str]]


def buses() -> list[Bus]:
    compute = definition(ComputeSettings())
    return [
        Bus("referrals", ReferralCommand, REFERRALS.announces),
        Bus("invites", InviteCommand, INVITES.announces),
        Bus("compute", ComputeCommand, compute.announces),
    ]


def members(union: Any) -> list[type[BaseModel]]:
    """The classes of a (tagged) union."""
    if get_origin(union) is Annotated:
        return members(get_args(union)[0])
    if get_origin(union) in (Union, types.UnionType):
        return [cls for part in get_args(union) for cls in members(part)]
    return [union]


def describe() -> Json:
    heard: dict[str, list[tuple[str, type[BaseModel]]]] = {}
    tellers: dict[str, list[str]] = {}
    for bus in buses():
        queue = commands_queue(STACK, bus.service)
        heard[queue] = [("command", cls) for cls in members(bus.commands)]
        tellers.setdefault(queue, ["gateway"])
    for bus in buses():
        for event, services in bus.announces.items():
            for service in services:
                queue = announcements_queue(STACK, service)
                heard.setdefault(queue, []).append(("event", event))
                if bus.service not in tellers.setdefault(queue, []):
                    tellers[queue].append(bus.service)
    classes = sorted({cls for rows in heard.values() for _, cls in rows}, key=lambda c: c.__name__)
    _, definitions = models_json_schema(
        [(cls, "serialization") for cls in classes], ref_template=_SCHEMAS + "{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vouch bus",
            "version": "0.1.0",
            "description": "SQS FIFO queues. The message group is the stream that a message "
            "concerns; a queue's name begins with the stack's.",
        },
        "servers": {"sqs": {"host": "sqs.{region}.amazonaws.com", "protocol": "sqs",
                            "variables": {"region": {"default": "eu-west-2"}}}},
        "channels": {queue: _channel(queue, rows) for queue, rows in heard.items()},
        "operations": _operations(heard, tellers),
        "components": {
            "messages": {
                cls.__name__: _message(kind, cls)
                for rows in heard.values()
                for kind, cls in rows
            },
            "schemas": definitions["$defs"],
        },
    }  # fmt: skip


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


def _operations(heard: Iterable[str], tellers: Mapping[str, list[str]]) -> Json:
    operations: Json = {}
    for queue in heard:
        service = queue.removeprefix(f"{STACK}-").split("-")[0]
        channel = {"$ref": f"#/channels/{queue.replace('/', '~1')}"}
        name = queue.removeprefix(f"{STACK}-").removesuffix(".fifo")
        operations[f"{service} receives {name}"] = {"action": "receive", "channel": channel}
        for teller in tellers[queue]:
            operations[f"{teller} sends {name}"] = {"action": "send", "channel": channel}
    return operations


def text() -> str:
    return json.dumps(describe(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
