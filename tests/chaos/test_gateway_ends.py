"""Gateways end under load: one worker, all of them, one gateway of two; everybody is answered.

Half of the clients keep their connections, half open one for each request, and none of them repeats
anything. `make chaos-gateway` runs the long form.
"""

import asyncio
import os
import signal

import aiohttp
import pytest

from deploy.local.bootstrap import answers
from deploy.local.ports import unused
from tests.chaos.callers import Callers, table, told
from tests.chaos.gateways import Gateway, Place
from tests.support.eventually import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROUNDS = int(os.environ.get("ENDING_ROUNDS", "1"))
WORK = 200
"""Answers between two events."""


async def test_workers_and_gateways_are_replaced_on_one_port(place: Place) -> None:
    """A worker is told to end, then the whole gateway, once the next one stands beside it."""
    gateway = await place.serve(unused(1)[0], workers=2)
    callers = place.callers(lambda: gateway.port)
    for number in range(ROUNDS):
        await callers.answered(WORK)
        os.kill(gateway.processes()[number % 2], signal.SIGTERM)
        await gateway.all_ready(starts=3)
        following = await place.serve(gateway.port, workers=2)
        await callers.answered(WORK)
        assert await gateway.told_to_end() == 0
        gateway = following
    await callers.answered(WORK)
    await callers.stop()
    if ROUNDS > 1:  # takes a while: who has no time to take leave is replaced too
        os.kill(gateway.processes()[0], signal.SIGKILL)
        await gateway.all_ready(starts=3)
    verdict(f"{ROUNDS} times: a worker, then its gateway of 2 workers, replaced on a port", callers)


async def test_gateways_are_replaced_behind_a_balancer(place: Place) -> None:
    """One process each; the balancer looks at /readyz five times a second, and at nothing else."""
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
    verdict(f"{ROUNDS} times: a gateway of 1 process replaced behind a balancer", callers)


async def ends_unready_first(gateway: Gateway) -> None:
    """It says that it is not ready while it still answers, and asks for no more requests."""
    async with aiohttp.ClientSession() as session:

        async def unready() -> bool:
            async with session.get(f"{gateway.url}/readyz") as answer:
                return answer.status == 503 and (await answer.json())["missing"] == ["draining"]

        await eventually(unready)
        async with session.get(f"{gateway.url}/v1/me") as answer:
            assert (answer.status, answer.headers["Connection"]) == (403, "close")


def verdict(title: str, callers: Callers) -> None:
    rows = [
        ["kept", told(callers.kept)],
        ["one for each request", told(callers.fresh)],
        ["longest wait", f"{callers.longest:.2f} s"],
    ]
    table(title, ["connections", "what became of the requests"], rows)
    assert set(callers.seen) <= {"200", "404"}, callers.seen


class Balancer:
    """Deals out connections among those who say that they are ready."""

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
