"""Trace messages through queues: one span for each message that is sent or handled."""

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
from tracing.traceparent import is_sampled, valid_traceparent

if TYPE_CHECKING:
    from tracing.spans import Traces

_SYSTEM: Final = "aws_sqs"
_TYPE = re.compile(r"[A-Za-z]{1,64}", re.ASCII)


def tracing_middleware(traces: "Traces") -> Callable[..., "TracingMiddleware"]:
    """Return the middleware to add to a broker."""
    return partial(TracingMiddleware, traces=traces)


class TracingMiddleware(BaseMiddleware[SQSPublishCommand, Any]):
    """Record a span for each message that belongs to a recorded trace.

    The sender has decided whether a message is traced, and its span is the parent. A message
    without a trace context (a scheduled one, or one from another system) starts a trace by chance.
    """

    def __init__(self, msg: Any, /, *, context: ContextRepo, traces: "Traces") -> None:
        super().__init__(msg, context=context)
        self._traces = traces

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Handle a message inside a consumer span."""
        parent = valid_traceparent(msg.headers.get(TRACEPARENT))
        if not (self._traces.should_trace() if parent is None else is_sampled(parent)):
            unbind_contextvars("trace_id")
            return await call_next(msg)
        attributes = _consumer_attributes(msg)
        name = f"process {attributes['messaging.destination.name']}"
        with self._traces.span(name, "consumer", attributes, parent) as span:
            # bound until the next message: a failure is logged outside of this block
            bind_contextvars(trace_id=span.trace_id)
            return await call_next(msg)

    async def publish_scope(
        self, call_next: Callable[[SQSPublishCommand], Awaitable[Any]], cmd: SQSPublishCommand
    ) -> Any:
        """Send a message inside a producer span, with that span in its headers."""
        if not self._traces.is_recording():
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


def _consumer_attributes(message: SQSMessage) -> dict[str, str | int]:
    return {
        "messaging.system": _SYSTEM,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": message.raw_message.queue,
        "messaging.message.id": message.message_id,
        "messaging.message.conversation_id": message.correlation_id or "",
        "vouch.message": _message_type(message.body),
        "vouch.receive_count": message.receive_count,
    }


def _message_type(body: bytes) -> str:
    """Return the type of the command or event; no other content of a message is recorded."""
    try:
        name = orjson.loads(body)["type"]
    except (ValueError, TypeError, KeyError):
        return "unknown"
    return name if isinstance(name, str) and _TYPE.fullmatch(name) else "unknown"
