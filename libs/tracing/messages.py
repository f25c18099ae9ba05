"""Traces through queues: a span around every message that is sent and that is handled."""

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from faststream import BaseMiddleware, ContextRepo
from structlog.contextvars import bind_contextvars, unbind_contextvars

from chassis.bus.commands import TRACEPARENT
from faststream_sqs import SQSMessage
from faststream_sqs.response import SQSPublishCommand
from faststream_sqs.schemas import queue_name
from tracing.traceparent import is_sampled, readable

if TYPE_CHECKING:
    from tracing.spans import Traces

_SYSTEM: Final = "aws_sqs"
_TYPE = re.compile(r"[A-Za-z]{1,64}", re.ASCII)


def messages(traces: "Traces") -> Callable[..., "Messages"]:
    """The middleware for a broker."""
    return partial(Messages, traces=traces)


class Messages(BaseMiddleware[SQSPublishCommand, Any]):
    """Whether a message is traced was decided by who sent it; its span hangs on the sender's.

    A message without a trace context (of a clock, or from outside) begins a trace, by chance.
    """

    def __init__(self, msg: Any, /, *, context: ContextRepo, traces: "Traces") -> None:
        super().__init__(msg, context=context)
        self._traces = traces

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        parent = readable(msg.headers.get(TRACEPARENT))
        if not (self._traces.chance() if parent is None else is_sampled(parent)):
            unbind_contextvars("trace_id")
            return await call_next(msg)
        attributes = _consumed(msg)
        name = f"process {attributes['messaging.destination.name']}"
        with self._traces.span(name, "consumer", attributes, parent) as span:
            # until the next message: the line about a failure is written outside of here
            bind_contextvars(trace_id=span.trace_id)
            return await call_next(msg)

    async def publish_scope(
        self, call_next: Callable[[SQSPublishCommand], Awaitable[Any]], cmd: SQSPublishCommand
    ) -> Any:
        if not self._traces.under_way():
            return await call_next(cmd)
        queue = queue_name(cmd.destination)
        attributes: dict[str, str | int] = {
            "messaging.system": _SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": queue,
            "messaging.message.conversation_id": cmd.correlation_id or "",
        }
        with self._traces.span(f"send {queue}", "producer", attributes) as span:
            cmd.headers = {**cmd.headers, TRACEPARENT: span.traceparent}
            return await call_next(cmd)


def _consumed(message: SQSMessage) -> dict[str, str | int]:
    return {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": message.raw_message.queue,
        "messaging.message.id": message.message_id,
        "messaging.message.conversation_id": message.correlation_id or "",
        "vouch.message": _type(message.body),
        "vouch.receive_count": message.receive_count,
    }


def _type(body: bytes) -> str:
    """What kind of command or event this is; nothing else of a message is told."""
    try:
        told = orjson.loads(body)["type"]
    except (ValueError, TypeError, KeyError):
        return "unknown"
    return told if isinstance(told, str) and _TYPE.fullmatch(told) else "unknown"
