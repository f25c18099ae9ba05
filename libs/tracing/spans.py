"""Create spans. Callers ask first whether a trace is being recorded; usually none is."""

import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import Token
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Literal, Self, TypeVar, cast

from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as OpenTelemetrySpan

from tracing.delivery import batch_processor, shut_down
from tracing.traceparent import trace_and_span_ids

T = TypeVar("T")
Kind = Literal["server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]

CURRENT: Final = "current"
"""As a parent: the span that is current in this task."""


@dataclass(frozen=True, slots=True)
class Span:
    """Represent a started span; until it ends it is the parent of further spans in this task."""

    _span: OpenTelemetrySpan
    _token: Token[Context]

    @property
    def trace_id(self) -> str:
        """The trace id, as 32 hex digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """The W3C header that makes a span elsewhere a child of this one."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set_attribute(self, name: str, value: str | int) -> None:
        """Set one attribute."""
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """Replace the name, for a span whose subject is known only after it has started."""
        self._span.update_name(name)

    def record_error(self, error_type: str) -> None:
        """Mark the span as failed, by the type of the error.

        The message of an error is never recorded: it may quote personal data.
        """
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """End the span; the previous span of this task becomes current again."""
        detach(self._token)
        self._span.end()


@dataclass(frozen=True, slots=True)
class Traces:
    """Create the spans of one process; they are exported while the object is entered.

    Example:
        async with Traces.create("orders", exporter=exporter_to(url, "orders")) as traces:
            with traces.span("GET /orders", "server", {}, parent=None):
                ...
    """

    share: float
    """The fraction of new traces that are recorded, 0 to 1."""
    _provider: TracerProvider
    _tracer: Tracer
    _exporter: SpanExporter

    @classmethod
    def create(
        cls,
        service: str,
        *,
        exporter: SpanExporter,
        share: float = 1.0,
        namespace: str | None = None,
    ) -> Self:
        """Prepare the traces of a process; nothing is sent before the object is entered.

        Every span that is created is recorded: sampling happens earlier, in `should_trace`.

        Args:
            service: The resource attribute `service.name`.
            exporter: Receives finished spans, for example `exporter_to(endpoint, service)`.
            share: The fraction of new traces that `should_trace` selects, 0 to 1.
            namespace: The resource attribute `service.namespace`; None leaves it out.
        """
        attributes = {"service.name": service, "service.instance.id": str(uuid.uuid4())}
        if namespace is not None:
            attributes["service.namespace"] = namespace
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(attributes), shutdown_on_exit=False
        )
        return cls(share, provider, provider.get_tracer("tracing"), exporter)

    async def __aenter__(self) -> Self:
        self._provider.add_span_processor(batch_processor(self._exporter))
        return self

    async def __aexit__(self, *_: object) -> None:
        await shut_down(self._provider)

    def should_trace(self) -> bool:
        """Decide by chance whether a trace that starts here is recorded."""
        return random.random() < self.share  # noqa: S311  a sample, not a secret

    @staticmethod
    def is_recording() -> bool:
        """Return whether the current task is part of a recorded trace."""
        return get_current_span().is_recording()

    def start_span(self, name: str, kind: Kind, attributes: Attributes, parent: str | None) -> Span:
        """Start a span that the caller ends.

        Args:
            name: Low-cardinality name, for example `GET /orders/{id}`.
            kind: The role of this process in the call.
            attributes: Initial attributes.
            parent: A well-formed `traceparent`, `CURRENT`, or None to start a new trace.
        """
        span = self._tracer.start_span(
            name, _context(parent), SpanKind[kind.upper()], attributes, record_exception=False
        )
        return Span(span, attach(set_span_in_context(span)))

    @contextlib.contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None = CURRENT
    ) -> Iterator[Span]:
        """Start a span as `start_span` does and end it with the block.

        An exception that leaves the block is recorded by its type and raised again.
        """
        span = self.start_span(name, kind, attributes, parent)
        try:
            yield span
        except BaseException as error:
            span.record_error(type(error).__name__)
            raise
        finally:
            span.end()

    def instrument(self, target: T, attributes: Attributes, **span_names: str) -> T:
        """Return a proxy of `target` that wraps calls to some async methods in client spans.

        Outside of a recorded trace the methods are called directly.

        Args:
            target: Any object; attributes that are not instrumented are passed through.
            attributes: Attributes of every span.
            **span_names: Method name to span name.
        """

        def traced(name: str, method: Callable[..., Awaitable[Any]]) -> Any:
            @wraps(method)
            async def call(*args: Any, **options: Any) -> Any:
                if not self.is_recording():
                    return await method(*args, **options)
                with self.span(name, "client", attributes):
                    return await method(*args, **options)

            return call

        methods = {
            method: traced(name, getattr(target, method)) for method, name in span_names.items()
        }
        return cast("T", _Instrumented(target, methods))


class _Instrumented:
    def __init__(self, target: object, methods: Mapping[str, Any]) -> None:
        self._target = target
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


def _context(parent: str | None) -> Context | None:
    if parent == CURRENT:
        return None
    if parent is None:
        return Context()
    trace, span = trace_and_span_ids(parent)
    remote = SpanContext(
        int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    return set_span_in_context(NonRecordingSpan(remote), Context())
