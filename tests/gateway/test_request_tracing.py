"""Requests are selected for tracing; their spans and commands carry the right context."""

from dataclasses import dataclass

import pytest
from aiohttp.test_utils import make_mocked_request
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.edge.tracing import REQUESTED_AT_ONCE, Allowance, RequestTracing, end_span
from gateway.http.ids import child_traceparent
from gateway.http.routing import REQUEST_INFO, RequestInfo
from tests.gateway.conftest import GatewayClient, Gateways
from tracing.spans import Traces

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
RARE = 1e-18
"""A share above zero that random selection practically never reaches."""


@dataclass
class Traced:
    """Open gateways that trace, and return the spans that have ended."""

    gateways: Gateways

    async def open(self, share: float) -> GatewayClient:
        self.kept = InMemorySpanExporter()
        self.gateways.traces = Traces.create("gateway", exporter=self.kept, share=share)
        await self.gateways.stack.enter_async_context(self.gateways.traces)
        return await self.gateways.open()

    def spans(self) -> tuple[ReadableSpan, ...]:
        assert self.gateways.traces is not None
        self.gateways.traces._provider.force_flush()
        return self.kept.get_finished_spans()


@pytest.fixture
def traced(gateways: Gateways) -> Traced:
    return Traced(gateways)


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_a_span_is_named_by_the_path_template(traced: Traced) -> None:
    client = await traced.open(1)
    token = client.issuer.access()
    await client.get("/v1/operations/0123456789abcdef?secret=1", token)
    await client.get("/v1/nothing/alice@example.com")
    known, unknown = traced.spans()
    assert known.name == "GET /v1/operations/{command_id}"
    assert attributes(known) == {
        "http.request.method": "GET",
        "http.route": "/v1/operations/{command_id}",
        "url.scheme": "http",
        "http.response.status_code": 400,
    }
    assert known.parent is None
    assert (unknown.name, attributes(unknown)["http.response.status_code"]) == ("GET", 404)
    for exported in (known.to_json(), unknown.to_json()):
        assert not any(word in exported for word in ("0123456789abcdef", "secret", "alice", token))


async def test_only_a_server_error_marks_the_span_as_failed(traced: Traced) -> None:
    client = await traced.open(1)
    await client.get("/v1/me", client.issuer.access())
    await client.redis.flushall()
    await client.get("/v1/me", client.issuer.access())
    await client.get("/healthz")
    missing, lost = traced.spans()
    assert "error.type" not in attributes(missing)
    assert (attributes(lost)["error.type"], lost.status.is_ok) == ("503", False)


async def test_a_command_is_sent_within_the_span_of_its_request(traced: Traced) -> None:
    client = await traced.open(1)
    await client.post("/v1/me", client.issuer.id(), headers=UNSAMPLED)
    (span,) = traced.spans()
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    (sent,) = client.bus.sent
    version, trace, parent, flags = sent.headers["traceparent"].split("-")
    assert (version, trace, parent) == ("00", TRACE, f"{span.context.span_id:016x}")
    assert int(flags, 16) & 1


async def test_callers_can_request_a_limited_number_of_traces(traced: Traced) -> None:
    await traced.open(RARE)
    assert traced.gateways.traces is not None
    requests = RequestTracing(traced.gateways.traces, Allowance(clock=lambda: 0.0))

    async def traces(headers: dict[str, str]) -> bool:
        request = make_mocked_request("GET", "/v1/me", headers=headers)
        request[REQUEST_INFO] = RequestInfo("number")
        span = requests.start(request)
        if span is not None:
            end_span(span, request, None, 200)
        return span is not None

    assert not await traces(UNSAMPLED)
    many = [await traces(SAMPLED) for _ in range(int(REQUESTED_AT_ONCE) + 3)]
    assert many == [True] * int(REQUESTED_AT_ONCE) + [False] * 3


async def test_a_caller_can_request_a_trace(traced: Traced) -> None:
    client = await traced.open(RARE)
    await client.post("/v1/me", client.issuer.id(), headers=SAMPLED)
    (span,) = traced.spans()
    assert span.name == "POST /v1/me"


@pytest.mark.parametrize("share", [0, RARE])
@pytest.mark.parametrize("headers", [{}, UNSAMPLED, {"traceparent": "00-x-y-01"}])
async def test_a_request_that_is_not_selected_leaves_no_span(
    share: float, headers: dict[str, str], traced: Traced
) -> None:
    client = await traced.open(share)
    assert (await client.post("/v1/me", client.issuer.id(), headers=headers)).status == 201
    assert traced.spans() == ()
    (sent,) = client.bus.sent
    assert sent.headers["traceparent"].endswith("-00")


async def test_a_share_of_zero_ignores_requested_traces(traced: Traced) -> None:
    client = await traced.open(0)
    await client.post("/v1/me", client.issuer.id(), headers=SAMPLED)
    assert traced.spans() == ()


def test_an_allowance_refills_up_to_its_maximum() -> None:
    now = 100.0
    allowance = Allowance(per_second=1, most=2, clock=lambda: now)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now += 1.5
    assert [allowance.take() for _ in range(2)] == [True, False]
    now += 1_000
    assert [allowance.take() for _ in range(3)] == [True, True, False]


def test_a_child_traceparent_is_never_sampled() -> None:
    """A caller's flag must not make the services record."""
    made = child_traceparent(SAMPLED["traceparent"])
    version, trace, parent, flags = made.split("-")
    assert (version, trace, flags) == ("00", TRACE, "00")
    assert parent != PARENT
