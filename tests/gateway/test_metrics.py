"""Metrics count requests by route template, never by path; one address has those of all workers."""

import socket
from typing import Any

import pytest
from aiohttp import web

from chassis.resilience.outages import OUTAGES
from gateway.edge.metrics import Metrics
from gateway.edge.server import serve
from gateway.edge.worker_metrics import WorkerMetrics, merged, metrics_of_others
from gateway.edge.workers import WORKER
from tests.gateway.conftest import GatewayClient

NO_REQUEST: Any = None
HOST = "127.0.0.1"


async def test_metrics_name_routes_by_their_templates(client: GatewayClient) -> None:
    await client.get("/v1/me", client.issuer.access())
    await client.get("/v1/operations/secret-id", client.issuer.access())
    await client.get("/somewhere/else")
    response: Any = await client.gateway.metrics.serve(NO_REQUEST)
    text = response.body.decode()
    assert 'route="/v1/operations/{command_id}",status="404"' in text
    assert 'route="none",status="404"' in text
    assert "secret-id" not in text
    assert "somewhere" not in text
    assert (await client.get("/metrics")).status == 404


async def test_a_gateway_exposes_its_outages_its_keys_and_its_process(
    client: GatewayClient,
) -> None:
    OUTAGES.failed(OUTAGES, ConnectionRefusedError("refused"), task="outcomes")
    text = client.gateway.metrics.exposition().decode()
    OUTAGES.succeeded(OUTAGES)
    assert 'outages{dependency="task outcomes"} 1.0' in text
    assert 'outages_started_total{dependency="task outcomes"}' in text
    assert "\ngateway_jwks_age_seconds " in text
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert f"\n{name} " in text
    assert 'worker="' not in text


async def test_one_address_has_the_metrics_of_all_workers() -> None:
    own, other = Metrics(0), Metrics(1)
    for metrics, seconds in ((own, 0.003), (other, 2.0)):
        metrics.durations.observe(("GET", "/v1/users/{sub}", 200), seconds)
    app = web.Application()
    app.router.add_get("/metrics", other.serve)
    with socket.socket() as silent:
        silent.bind((HOST, 0))  # no one listens, and no one else can
        absent = silent.getsockname()[1]
        async with serve(app, HOST, 0, shutdown_seconds=0.1) as port:
            urls = {1: f"http://{HOST}:{port}/metrics", 2: f"http://{HOST}:{absent}/metrics"}
            response: Any = await WorkerMetrics(own, urls).serve(NO_REQUEST)
    lines = response.body.decode().splitlines()
    labels = 'method="GET",route="/v1/users/{sub}",status="200"'
    assert f'gateway_request_seconds_count{{{labels},worker="0"}} 1.0' in lines
    assert f'gateway_request_seconds_sum{{{labels},worker="1"}} 2.0' in lines
    up = [line for line in lines if line.startswith("gateway_worker_up{")]
    assert [line.rpartition(" ")[2] for line in up] == ["1", "1", "0"]
    headers = [line for line in lines if line.startswith("# TYPE ")]
    assert len(headers) == len(set(headers))
    assert all("worker=" in line for line in lines if not line.startswith("#"))


def test_the_addresses_of_other_workers_follow_from_the_first_port() -> None:
    assert metrics_of_others("0.0.0.0", 9090, 3) == {  # noqa: S104
        1: "http://127.0.0.1:9091/metrics",
        2: "http://127.0.0.1:9092/metrics",
    }
    assert metrics_of_others("::", 9090, 2) == {1: "http://[::1]:9091/metrics"}
    assert metrics_of_others("10.0.0.1", 9090, 2) == {1: "http://10.0.0.1:9091/metrics"}
    assert metrics_of_others("127.0.0.1", 0, 4) == {}
    assert metrics_of_others("127.0.0.1", 9090, 1) == {}


def test_samples_of_one_family_follow_one_header() -> None:
    first = '# HELP a A.\n# TYPE a gauge\na{worker="0"} 1.0\n# HELP b B.\n# TYPE b gauge\n'
    second = '# HELP a A.\n# TYPE a gauge\na{worker="1"} 2.0\n'
    assert merged([first, second]).decode() == (
        '# HELP a A.\n# TYPE a gauge\na{worker="0"} 1.0\na{worker="1"} 2.0\n'
        "# HELP b B.\n# TYPE b gauge\n"
    )


@pytest.fixture
def first_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER, "0")


@pytest.mark.usefixtures("first_worker")
async def test_the_first_worker_answers_for_all(client: GatewayClient) -> None:
    async with (
        serve(client.gateway.internal, HOST, 0, shutdown_seconds=0.1) as port,
        client.session.get(f"http://{HOST}:{port}/metrics") as response,
    ):
        text = await response.text()
    assert 'gateway_worker_up{worker="0"} 1' in text
    assert 'gateway_jwks_age_seconds{worker="0"}' in text
