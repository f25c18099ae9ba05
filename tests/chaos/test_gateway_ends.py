"""Gateways end under load, and requests are not lost.

Half of the clients keep their connections, half open one for each request; none of them retries.
`make chaos-gateway` runs the long form.
"""

import asyncio
import os
import signal

import aiohttp
import pytest

from deploy.local.bootstrap import answers
from deploy.local.ports import unused
from tests.chaos.callers import BROKEN, REFUSED, Callers, table, told
from tests.chaos.gateways import Gateway, Place
from tests.support.eventually import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROUNDS = int(os.environ.get("ENDING_ROUNDS", "1"))
WORK = 200
"""Completed requests between two events."""
COMPLETED = frozenset({"200", "404"})
RESETS = 2
"""Connections that may be reset when a gateway of two workers closes its sockets."""


async def test_no_request_is_lost_when_workers_are_replaced(place: Place) -> None:
    gateway = await place.serve(unused(1)[0], workers=2)
    callers = place.callers(lambda: gateway.port)
    for number in range(ROUNDS):
        await callers.answered(WORK)
        os.kill(gateway.processes()[number % 2], signal.SIGTERM)
        await gateway.all_ready(starts=3 + number)
    await callers.answered(WORK)
    await callers.stop()
    report(f"{ROUNDS} times: a worker of 2 replaced", callers)
    assert set(callers.seen) <= COMPLETED, callers.seen


async def test_a_gateway_is_replaced_on_its_port(place: Place) -> None:
    """The next gateway starts on the same port, then the previous one ends.

    In the instant in which a socket is closed, the kernel resets connections that no process has
    accepted yet; a client whose connection is open loses nothing.
    """
    gateway = await place.serve(unused(1)[0], workers=2)
    callers = place.callers(lambda: gateway.port)
    for _ in range(ROUNDS):
        await callers.answered(WORK)
        following = await place.serve(gateway.port, workers=2)
        await callers.answered(WORK)
        assert await gateway.told_to_end() == 0
        gateway = following
    await callers.answered(WORK)
    await callers.stop()
    report(f"{ROUNDS} times: a gateway of 2 workers replaced on its port", callers)
    assert callers.failed.total() <= RESETS * ROUNDS, callers.seen
    assert set(callers.seen) <= COMPLETED | {BROKEN, REFUSED}, callers.seen


async def test_a_killed_worker_is_replaced(place: Place) -> None:
    gateway = await place.serve(unused(1)[0], workers=2)
    os.kill(gateway.processes()[0], signal.SIGKILL)
    await gateway.all_ready(starts=3)


async def test_no_request_is_lost_when_gateways_are_replaced_behind_a_balancer(
    place: Place,
) -> None:
    """One process each; the balancer requests /readyz five times a second, and nothing else."""
    balancer = Balancer([await place.serve(unused(1)[0], drain="1") for _ in range(2)])
    looking = asyncio.create_task(balancer.look())
    callers = place.callers(balancer.port)
    for _ in range(ROUNDS):
        await callers.answered(WORK)
        ending = asyncio.create_task(balancer.gateways[0].told_to_end())
        await ends_unready_first(balancer.gateways[0])
        assert await ending == 0
        balancer.gateways.pop(0)
        if ROUNDS > 1:
            balancer.gateways.append(await place.serve(unused(1)[0], drain="1"))
    await callers.answered(WORK)
    await callers.stop()
    looking.cancel()
    report(f"{ROUNDS} times: a gateway of 1 process replaced behind a balancer", callers)
    assert set(callers.seen) <= COMPLETED, callers.seen


async def ends_unready_first(gateway: Gateway) -> None:
    """It reports that it is not ready while it still serves, and closes connections in order."""
    async with aiohttp.ClientSession() as session:

        async def unready() -> bool:
            async with session.get(f"{gateway.url}/readyz") as answer:
                return answer.status == 503 and (await answer.json())["missing"] == ["draining"]

        await eventually(unready)
        async with session.get(f"{gateway.url}/v1/me") as answer:
            assert (answer.status, answer.headers["Connection"]) == (403, "close")


def report(title: str, callers: Callers) -> None:
    rows = [
        ["kept", told(callers.kept)],
        ["one for each request", told(callers.fresh)],
        ["longest wait", f"{callers.longest:.2f} s"],
    ]
    table(title, ["connections", "results of the requests"], rows)


class Balancer:
    """Distributes connections among the gateways that report to be ready."""

    def __init__(self, gateways: list[Gateway]) -> None:
        self.gateways = gateways
        self._ready = [gateway.port for gateway in gateways]
        self._next = 0

    def port(self) -> int:
        self._next += 1
        return self._ready[self._next % len(self._ready)]

    async def look(self) -> None:
        while True:
            ready = [
                gateway.port
                for gateway in list(self.gateways)
                if await asyncio.to_thread(answers, f"{gateway.url}/readyz")
            ]
            self._ready = ready or self._ready
            await asyncio.sleep(0.2)  # a balancer's pause between two looks
