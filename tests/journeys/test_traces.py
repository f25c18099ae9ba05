"""One request is one trace, through gateway, queues and services, on the deployed template."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from deploy.local.ports import unused
from deploy.local.settings import HOST
from tests.support.collector import Collector, collecting
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

SERVICES = ("referrals", "invites", "gateway")
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class World:
    """Services that are started as a test wants them, and left to the next test as they were."""

    stack: Stack
    session: aiohttp.ClientSession

    async def start(self, **settings: str) -> None:
        await self.stop()
        for name in SERVICES:
            self.stack.service(name).log.unlink(missing_ok=True)
            self.stack.service(name).start(**settings)
        for name in SERVICES:
            await self.stack.service(name).ready()

    async def stop(self) -> None:
        stops = [self.stack.service(name).stop for name in SERVICES]
        await asyncio.gather(*(asyncio.to_thread(stop) for stop in stops))

    async def open_account(self, trace: str = TRACE) -> tuple[int, str, str]:
        """Status, address and token of a new person."""
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        await asyncio.to_thread(self.stack.people.sign_up, email)
        token = (await asyncio.to_thread(self.stack.people.sign_in, email))["id"]
        headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{trace}-{CALLER}-01"}
        url = f"{self.stack.service('gateway').url}/v1/me"
        async with self.session.post(url, headers=headers) as answer:
            return answer.status, email, token

    def lines(self, name: str, event: str) -> list[dict[str, object]]:
        rows = map(json.loads, self.stack.service(name).log.read_text().splitlines())
        return [row for row in rows if row["event"] == event]


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    async with aiohttp.ClientSession() as session:
        world = World(stack, session)
        yield world
        await world.stop()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as collector:
        yield collector


async def test_a_request_is_one_trace_to_its_last_consequence(
    world: World, collector: Collector
) -> None:
    name = world.stack.settings.stack
    await world.start(TRACES=collector.url, TRACE_SHARE="1")
    status, email, token = await world.open_account()
    assert status == 201

    async def heard() -> bool:
        handled = f"process {name}-invites-announcements.fifo"
        return any(span.name == handled for span in collector.spans)

    await eventually(heard)
    await world.stop()  # what was not sent yet is sent at the end
    collector.spans[:] = [span for span in collector.spans if span.trace == TRACE]

    # the gateway's part hangs on the caller's span
    request = collector.one("gateway", "POST /v1/me")
    assert (request.kind, request.parent) == ("server", CALLER)
    sent = collector.one("gateway", f"send {name}-referrals-commands.fifo", request)
    assert sent.kind == "producer"

    # the command's on what sent it
    command = collector.one("referrals", f"process {name}-referrals-commands.fifo", sent)
    assert (command.kind, command.attributes["vouch.message"]) == ("consumer", "OpenAccount")
    for step in ("load", "append", "project", "outcome"):
        assert collector.one("referrals", step, command).kind == "client"
    told = collector.one("referrals", f"send {name}-invites-announcements.fifo", command)

    # and that of the service that reacts on the announcement
    reaction = collector.one("invites", f"process {name}-invites-announcements.fifo", told)
    assert reaction.attributes["vouch.message"] == "AccountOpened"
    assert any(s.name == "append" and s.parent == reaction.id for s in collector.spans)

    # the logs lead there, and nothing personal is told
    for service, event in (("gateway", "request_completed"), ("referrals", "command_accepted")):
        assert world.lines(service, event)[-1]["trace_id"] == TRACE
    assert not any(s.failed for s in collector.spans)
    everything = repr(collector.spans)
    assert email not in everything
    assert token not in everything


async def test_a_share_of_nothing_traces_nothing_whoever_asks(
    world: World, collector: Collector
) -> None:
    await world.start(TRACES=collector.url, TRACE_SHARE="0")
    assert (await world.open_account())[0] == 201
    await world.stop()
    assert collector.spans == []
    assert "trace_id" not in world.lines("gateway", "request_completed")[-1]


async def test_a_collector_that_is_down_is_told_once_and_stops_nobody(world: World) -> None:
    (port,) = unused(1)
    await world.start(TRACES=f"http://{HOST}:{port}", TRACE_SHARE="1")
    for _ in range(3):
        trace = uuid.uuid4().hex
        assert (await world.open_account(trace))[0] == 201
    await eventually(lambda: _told(world))
    await world.stop()
    for name in SERVICES:
        process = world.stack.service(name).process
        assert process is not None
        assert process.returncode == 0
        # one line of ours, and none of the library's
        assert len(world.lines(name, "trace_export_failed")) == 1
        assert world.stack.service(name).log.read_text().count("xport") == 1


async def _told(world: World) -> bool:
    return all(world.lines(name, "trace_export_failed") for name in SERVICES)
