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
from deploy.local.ports import unused_ports
from tests.chaos.clients import BROKEN, REFUSED, Clients, describe, table
from tests.chaos.gateways import Gateway, GatewayLauncher
from tests.support.eventually import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROUNDS = int(os.environ.get("ENDING_ROUNDS", "1"))
WORK = 200
"""Completed requests between two events."""
COMPLETED = frozenset({"200", "404"})
RESETS = 2
"""Connections that may be reset when a gateway of two workers closes its sockets."""


async def test_no_request_is_lost_when_workers_are_replaced(launcher: GatewayLauncher) -> None:
    gateway = await launcher.serve(unused_ports(1)[0], workers=2)
    clients = launcher.clients(lambda: gateway.port)
    for number in range(ROUNDS):
        await clients.answered(WORK)
        os.kill(gateway.processes()[number % 2], signal.SIGTERM)
        await gateway.all_ready(starts=3 + number)
    await clients.answered(WORK)
    await clients.stop()
    report(f"{ROUNDS} times: a worker of 2 replaced", clients)
    assert set(clients.results) <= COMPLETED, clients.results


async def test_a_gateway_is_replaced_on_its_port(launcher: GatewayLauncher) -> None:
    """The next gateway starts on the same port, then the previous one ends.

    In the instant in which a socket is closed, the kernel resets connections that no process has
    accepted yet; a client whose connection is open loses nothing.
    """
    gateway = await launcher.serve(unused_ports(1)[0], workers=2)
    clients = launcher.clients(lambda: gateway.port)
    for _ in range(ROUNDS):
        await clients.answered(WORK)
        following = await launcher.serve(gateway.port, workers=2)
        await clients.answered(WORK)
        assert await gateway.terminate() == 0
        gateway = following
    await clients.answered(WORK)
    await clients.stop()
    report(f"{ROUNDS} times: a gateway of 2 workers replaced on its port", clients)
    assert clients.failed.total() <= RESETS * ROUNDS, clients.results
    assert set(clients.results) <= COMPLETED | {BROKEN, REFUSED}, clients.results


async def test_a_killed_worker_is_replaced(launcher: GatewayLauncher) -> None:
    gateway = await launcher.serve(unused_ports(1)[0], workers=2)
    os.kill(gateway.processes()[0], signal.SIGKILL)
    await gateway.all_ready(starts=3)


async def test_no_request_is_lost_when_gateways_are_replaced_behind_a_balancer(
    launcher: GatewayLauncher,
) -> None:
    """One process each; the balancer requests /readyz five times a second, and nothing else."""
    balancer = Balancer([await launcher.serve(unused_ports(1)[0], drain="1") for _ in range(2)])
    checking = asyncio.create_task(balancer.check_health())
    clients = launcher.clients(balancer.port)
    for _ in range(ROUNDS):
        await clients.answered(WORK)
        ending = asyncio.create_task(balancer.gateways[0].terminate())
        await is_unready_before_its_end(balancer.gateways[0])
        assert await ending == 0
        balancer.gateways.pop(0)
        if ROUNDS > 1:
            balancer.gateways.append(await launcher.serve(unused_ports(1)[0], drain="1"))
    await clients.answered(WORK)
    await clients.stop()
    checking.cancel()
    report(f"{ROUNDS} times: a gateway of 1 process replaced behind a balancer", clients)
    assert set(clients.results) <= COMPLETED, clients.results


async def is_unready_before_its_end(gateway: Gateway) -> None:
    """Check that it reports not to be ready while it still serves requests."""
    async with aiohttp.ClientSession() as session:

        async def unready() -> bool:
            async with session.get(f"{gateway.url}/readyz") as response:
                return response.status == 503 and (await response.json())["missing"] == ["draining"]

        await eventually(unready)
        async with session.get(f"{gateway.url}/v1/me") as response:
            assert (response.status, response.headers["Connection"]) == (403, "close")


def report(title: str, clients: Clients) -> None:
    rows = [
        ["keep-alive", describe(clients.keep_alive)],
        ["one for each request", describe(clients.fresh)],
        ["longest wait", f"{clients.longest:.2f} s"],
    ]
    table(title, ["connections", "results of the requests"], rows)


class Balancer:
    """Distribute connections among the gateways that report to be ready."""

    def __init__(self, gateways: list[Gateway]) -> None:
        self.gateways = gateways
        self._ready = [gateway.port for gateway in gateways]
        self._next = 0

    def port(self) -> int:
        self._next += 1
        return self._ready[self._next % len(self._ready)]

    async def check_health(self) -> None:
        while True:
            ready = [
                gateway.port
                for gateway in list(self.gateways)
                if await asyncio.to_thread(answers, f"{gateway.url}/readyz")
            ]
            self._ready = ready or self._ready
            await asyncio.sleep(0.2)  # the balancer's interval between health checks
