"""A token is analysed through the gateway, on the local stack and a simulated chain."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chassis.bus.announcements import announcements_queue
from compute.worker import FAILPOINTS
from deploy.local.chain import SimulatedChain, application
from deploy.local.provision import client
from deploy.local.settings import CHAIN_ID
from tests.compute.simulated_token import (
    TOKEN,
    SimulatedToken,
    precision_and_recall,
    simulated_token,
)
from tests.journeys.test_invitation import Person
from tests.support.eventually import eventually
from tests.support.stack import Service, Stack

pytestmark = pytest.mark.stack

IDS = itertools.count(CHAIN_ID + 1)
"""Each test has a separate chain, since what is stored outlives the test."""


@dataclass
class Place:
    """The services, configured for a simulated chain."""

    stack: Stack
    chain: SimulatedChain
    alice: Person
    compute: dict[str, str]
    """The environment of the compute service."""

    @property
    def path(self) -> str:
        return f"/v1/tokens/cluster/{self.chain.chain_id}/{TOKEN}"

    @property
    def job(self) -> str:
        return f"/v1/jobs/analysis-{self.chain.chain_id}-{TOKEN}"

    def restart(self, **extra: str) -> Service:
        service = self.stack.service("compute")
        service.stop()
        return service.start(**self.compute, **extra)

    async def get(self, path: str, wait: int = 0) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.alice.tokens['access']}"}
        if wait:
            headers["Prefer"] = f"wait={wait}"
        async with self.alice.session.get(self.alice.url + path, headers=headers) as response:
            return response.status, json.loads(await response.text())

    async def done(self) -> dict[str, Any]:
        async def over() -> Any:
            status, job = await self.get(self.job, wait=10)
            return job if status == 200 and job["state"] in ("done", "failed") else None

        job: dict[str, Any] = await eventually(over, seconds=60)
        return job


@pytest.fixture
def simulated() -> SimulatedToken:
    return simulated_token(11)


@pytest.fixture
async def place(stack: Stack, simulated: SimulatedToken, tmp_path: Path) -> AsyncIterator[Place]:
    chain = SimulatedChain(simulated, gap=2, style="alchemy", results=60, chain_id=next(IDS))
    labels = tmp_path / "labels.csv"
    rows = [
        f"{chain.chain_id},{name},exchange,Simulated,a test" for name in sorted(simulated.exchanges)
    ]
    labels.write_text("\n".join(["chain_id,address,kind,name,source", *rows]) + "\n")
    async with contextlib.AsyncExitStack() as open_:
        runner = web.AppRunner(application(chain), access_log=None)
        await runner.setup()
        open_.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = "http://{}:{}/".format(*runner.addresses[0][:2])
        local = {"urls": [url], "chainId": chain.chain_id, "perSecond": 100_000}
        compute = {"CHAINS": json.dumps({"local": local}), "LABELS_FILE": str(labels)}
        names = ("compute", "gateway")
        for name in names:
            stack.service(name).stop()
            open_.callback(stack.service(name).stop)
        stack.service("compute").start(**compute)
        gateway = stack.service("gateway").start(EXTRA_CHAINS=json.dumps({"local": chain.chain_id}))
        for name in names:
            await stack.service(name).ready()
        session = await open_.enter_async_context(aiohttp.ClientSession())
        alice = await Person(stack, gateway.url, session).sign_in()
        yield Place(stack, chain, alice, compute)


def groups(report: dict[str, Any]) -> list[set[str]]:
    return [{m["address"].lower() for m in c["members"]} for c in report["clusters"]]


async def test_an_analysis_finds_the_owners(place: Place, simulated: SimulatedToken) -> None:
    status, _ = await place.get(place.path)
    assert status == 202
    job = await place.done()
    assert job["state"] == "done", job
    assert job["progress"]["transfers"] == len(simulated.rows)
    status, report = await place.get(place.path)
    assert status == 200
    assert report["quality"]["balancesVerified"], report["quality"]
    assert report["asOf"]["block"] == place.chain.head
    precision, recall = precision_and_recall(simulated, groups(report))
    assert precision >= 0.98
    assert recall >= 0.98
    _, history = await place.get(f"{place.path}/history")
    assert [row["computedAt"] for row in history["items"]] == [report["computedAt"]]
    _, holders = await place.get(f"{place.path}/holders?limit=5")
    assert [row["rank"] for row in holders["items"]] == [1, 2, 3, 4, 5]
    _, graph = await place.get(f"{place.path}/graph")
    assert {node["id"] for node in graph["nodes"]} >= {
        member["address"] for member in report["clusters"][0]["members"]
    }


@pytest.fixture
def quick_redelivery(stack: Stack) -> Iterator[None]:
    """Shorten the visibility timeout, so that a killed worker's message is redelivered soon."""
    sqs = client("sqs", stack.settings.aws_url)
    name = announcements_queue(stack.settings.stack, "compute")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "2"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "30"})


@pytest.mark.usefixtures("quick_redelivery")
async def test_a_worker_killed_at_any_step_is_resumed(
    place: Place, simulated: SimulatedToken
) -> None:
    """kill -9 at each failpoint in turn, in the same analysis."""
    worker = await place.restart(FAILPOINT=FAILPOINTS[0]).ready()
    status, _ = await place.get(place.path)
    assert status == 202
    for step in FAILPOINTS[1:]:
        assert await worker.died() == -9
        worker = place.restart(FAILPOINT=step)  # it may die before it has been seen to be ready
    assert await worker.died() == -9
    read = place.chain.calls["eth_getLogs"]
    place.restart()
    job = await place.done()
    assert job["state"] == "done", job
    assert job["run"] == 1
    _, report = await place.get(place.path)
    precision, recall = precision_and_recall(simulated, groups(report))
    assert min(precision, recall) >= 0.98
    assert place.chain.calls["eth_getLogs"] == read  # all was read before the last kill
    _, history = await place.get(f"{place.path}/history")
    assert len(history["items"]) == 1


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("0x" + "12" * 20, 404, "no_contract"), ("a pool", 422, "not_erc20")],
)
async def test_an_address_that_is_no_token_is_rejected(
    name: str, status: int, code: str, place: Place, simulated: SimulatedToken
) -> None:
    token = min(simulated.contracts) if name == "a pool" else name
    path = place.path.replace(TOKEN, token)

    async def ended() -> Any:
        seen, body = await place.get(path, wait=10)
        return body if seen != 202 else None

    problem = await eventually(ended)
    assert (problem["status_code"], problem["code"]) == (status, code)


async def test_an_unavailable_chain_fails_the_job_and_the_next_job_resumes(
    place: Place, simulated: SimulatedToken
) -> None:
    del simulated
    original = place.chain.answer

    def down(method: str, params: list[Any]) -> Any:
        if ("Logs" in method or "Receipt" in method) and place.chain.calls["eth_getLogs"] > 2:
            raise ValueError("no node")  # every call returns an error
        return original(method, params)

    place.chain.answer = down  # type: ignore[method-assign]
    await place.get(place.path)
    job = await place.done()
    assert (job["state"], job["code"]) == ("failed", "provider_unavailable")
    place.chain.answer = original  # type: ignore[method-assign]
    read = job["progress"]["toBlock"]
    status, _ = await place.get(place.path, wait=25)
    job = await place.done()
    assert (status in (200, 202), job["state"], job["run"]) == (True, "done", 2)
    assert job["progress"]["toBlock"] > read


async def test_a_job_is_streamed_as_it_progresses(place: Place) -> None:
    await place.get(place.path)
    headers = {"Authorization": f"Bearer {place.alice.tokens['access']}"}
    async with (
        asyncio.timeout(60),
        place.alice.session.get(f"{place.alice.url}{place.job}/events", headers=headers) as stream,
    ):
        states = [
            json.loads(line.removeprefix(b"data: "))["state"]
            async for line in stream.content
            if line.startswith(b"data: ")
        ]
    assert states[-1] == "done"
    assert states == sorted(states, key=["queued", "syncing", "analysing", "done"].index)
