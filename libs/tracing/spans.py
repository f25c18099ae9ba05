"""Makes spans. Whoever wants one asks whether a trace is under way; most of the time none is."""

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

from chassis.run.settings import ProcessSettings
from tracing.delivery import exporter_to, flushed, gathering
from tracing.traceparent import trace_and_span

T = TypeVar("T")
Kind = Literal["server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int]

HERE: Final = "here"
"""As a parent: the span that is under way."""


@dataclass(frozen=True, slots=True)
class Span:
    """One that has begun, and is what further spans of this task hang on."""

    _span: OpenTelemetrySpan
    _token: Token[Context]

    @property
    def trace_id(self) -> str:
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """For what it sets in motion elsewhere."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def tell(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def call(self, name: str) -> None:
        """By another name: what it is about may be known later only."""
        self._span.update_name(name)

    def fail(self, error: str) -> None:
        """By a name; words of errors quote what people wrote."""
        self._span.set_attribute("error.type", error)
        self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        detach(self._token)
        self._span.end()


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces of one process; they are sent while it is entered."""

    share: float
    """Of what begins here, how much is traced."""
    _provider: TracerProvider
    _tracer: Tracer
    _exporter: SpanExporter

    @classmethod
    def of(
        cls, settings: ProcessSettings, service: str, exporter: SpanExporter | None = None
    ) -> Self:
        """Nothing is sent yet. Who makes a span has chosen, so every span is recorded."""
        resource = Resource.create(
            {
                "service.name": service,
                "service.namespace": settings.stack,
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
        exporter = exporter or exporter_to(settings.traces, service)
        return cls(settings.trace_share, provider, provider.get_tracer("vouch"), exporter)

    async def __aenter__(self) -> Self:
        self._provider.add_span_processor(gathering(self._exporter))
        return self

    async def __aexit__(self, *_: object) -> None:
        await flushed(self._provider)

    def chance(self) -> bool:
        """Whether what begins here is to be traced."""
        return random.random() < self.share  # noqa: S311  a sample, not a secret

    @staticmethod
    def under_way() -> bool:
        return get_current_span().is_recording()

    def begin(self, name: str, kind: Kind, attributes: Attributes, parent: str | None) -> Span:
        """A span below another one, given as a `traceparent`; None: of a new trace."""
        span = self._tracer.start_span(
            name, _context(parent), SpanKind[kind.upper()], attributes, record_exception=False
        )
        return Span(span, attach(set_span_in_context(span)))

    @contextlib.contextmanager
    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None = HERE
    ) -> Iterator[Span]:
        span = self.begin(name, kind, attributes, parent)
        try:
            yield span
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        finally:
            span.end()

    def port(self, port: T, attributes: Attributes, **names: str) -> T:
        """The same port; these methods of it are spans wherever a trace is under way.

        `names` are those of methods with what their spans are called.
        """

        def traced(name: str, method: Callable[..., Awaitable[Any]]) -> Any:
            @wraps(method)
            async def call(*args: Any, **options: Any) -> Any:
                if not self.under_way():
                    return await method(*args, **options)
                with self.span(name, "client", attributes):
                    return await method(*args, **options)

            return call

        methods = {each: traced(name, getattr(port, each)) for each, name in names.items()}
        return cast("T", _Port(port, methods))


class _Port:
    def __init__(self, port: object, methods: Mapping[str, Any]) -> None:
        self._port = port
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def _context(parent: str | None) -> Context | None:
    if parent == HERE:
        return None
    if parent is None:
        return Context()
    trace, span = trace_and_span(parent)
    remote = SpanContext(
        int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
    return set_span_in_context(NonRecordingSpan(remote), Context())
