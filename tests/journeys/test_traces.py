"""One request is one trace, through gateway, queues and services, on the deployed template."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from deploy.local.ports import unused_ports
from deploy.local.settings import HOST
from tests.support.collector import Collector, collecting
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.stack

SERVICES = ("referrals", "invites", "gateway")
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass
class World:
    """Start the services with the settings of a test, and stop them afterwards."""

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
        """Open an account of a new person; return the status, the address and the token."""
        email = f"{uuid.uuid4().hex[:12]}@example.com"
        await asyncio.to_thread(self.stack.users.sign_up, email)
        token = (await asyncio.to_thread(self.stack.users.sign_in, email))["id"]
        headers = {
            "Authorization": f"Bearer {token}",
            "traceparent": f"00-{trace}-{CALLER}-01",
            "Prefer": "wait=20",  # also on a slow machine
        }
        url = f"{self.stack.service('gateway').url}/v1/me"
        async with self.session.post(url, headers=headers) as response:
            return response.status, email, token

    def lines(self, name: str, event: str) -> list[dict[str, Any]]:
        return [line for line in self.stack.service(name).lines if line["event"] == event]


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


async def test_a_request_and_all_its_consequences_are_one_trace(
    world: World, collector: Collector
) -> None:
    name = world.stack.settings.stack
    await world.start(TRACES=collector.url, TRACE_SHARE="1")
    status, email, token = await world.open_account()
    assert status == 201

    async def handled() -> bool:
        expected = f"process {name}-invites-announcements.fifo"
        # messages that another test has left in the queue are handled as well
        return any(span.name == expected and span.trace == TRACE for span in collector.spans)

    await eventually(handled)
    await world.stop()  # the rest is exported when a service stops
    collector.spans[:] = [span for span in collector.spans if span.trace == TRACE]

    # the gateway's span is a child of the caller's
    request = collector.one("gateway", "POST /v1/me")
    assert (request.kind, request.parent) == ("server", CALLER)
    sent = collector.one("gateway", f"send {name}-referrals-commands.fifo", request)
    assert sent.kind == "producer"

    # the command's span is a child of the message's
    command = collector.one("referrals", f"process {name}-referrals-commands.fifo", sent)
    assert (command.kind, command.attributes["vouch.message"]) == ("consumer", "OpenAccount")
    for step in ("load", "append", "project", "outcome"):
        assert collector.one("referrals", step, command).kind == "client"
    announced = collector.one("referrals", f"send {name}-invites-announcements.fifo", command)

    # so is the span of the service that reacts to the announcement
    reaction = collector.one("invites", f"process {name}-invites-announcements.fifo", announced)
    assert reaction.attributes["vouch.message"] == "AccountOpened"
    assert any(s.name == "append" and s.parent == reaction.id for s in collector.spans)

    # log lines have the id of the trace, and spans contain no personal data
    for service, event in (("gateway", "request_completed"), ("referrals", "command_accepted")):
        assert world.lines(service, event)[-1]["trace_id"] == TRACE
    assert not any(s.failed for s in collector.spans)
    everything = repr(collector.spans)
    assert email not in everything
    assert token not in everything


async def test_no_request_is_traced_if_the_share_is_zero(
    world: World, collector: Collector
) -> None:
    await world.start(TRACES=collector.url, TRACE_SHARE="0")
    assert (await world.open_account())[0] == 201
    await world.stop()
    assert collector.spans == []
    assert "trace_id" not in world.lines("gateway", "request_completed")[-1]


async def test_a_collector_that_is_down_is_logged_once_and_blocks_no_request(world: World) -> None:
    (port,) = unused_ports(1)
    await world.start(TRACES=f"http://{HOST}:{port}", TRACE_SHARE="1")
    for _ in range(3):
        trace = uuid.uuid4().hex
        assert (await world.open_account(trace))[0] == 201
    await eventually(lambda: _export_failed(world))
    await world.stop()
    for name in SERVICES:
        process = world.stack.service(name).process
        assert process is not None
        assert process.returncode == 0
        # one line of the service, and none of the library
        assert len(world.lines(name, "trace_export_failed")) == 1
        assert world.stack.service(name).log.read_text().count("xport") == 1


async def _export_failed(world: World) -> bool:
    return all(world.lines(name, "trace_export_failed") for name in SERVICES)
