"""The endpoint of the signing keys is down while clients send tokens with invented key ids.

`make chaos-gateway` lets it be down for a minute; `make chaos-gateway JWKS_SECONDS=600` for ten.
"""

import asyncio
import itertools
import json
import os
import signal
import time
from dataclasses import dataclass

import aiohttp
import pytest

from cognito_jwt.keys import COOL_DOWN_SECONDS
from cognito_jwt.testing import base64_url
from deploy.local.ports import unused_ports
from tests.chaos.clients import Clients, Request, describe, table
from tests.chaos.gateways import Gateway, GatewayLauncher
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

SECONDS = float(os.environ.get("JWKS_SECONDS", "1"))
WORKERS = 2
FIRST_TRIES = 5
"""Fetches of a process without keys before its backoff reaches the usual interval."""
PAUSE_SECONDS = 0.02


@dataclass
class Counts:
    """Count the results of requests with valid tokens, and the fetches of keys."""

    seconds: float
    """Length of the outage."""
    during: Clients
    fetches: int
    """Fetches during the outage."""
    with_new_worker: Clients
    """Requests during the outage, with one worker that was started in it."""
    after: Clients


@pytest.mark.timeout(SECONDS + 300)
async def test_known_keys_are_used_in_an_outage_and_the_issuer_is_not_flooded(
    launcher: GatewayLauncher,
) -> None:
    gateway, endpoint = await launcher.serve(unused_ports(1)[0], workers=WORKERS), launcher.endpoint
    assert endpoint.fetches == WORKERS
    forged, began = forgers(launcher, gateway), time.monotonic()
    counts = await count_during_outage(launcher, gateway, forged)
    await forged.stop()
    rows: list[list[object]] = [
        ["valid tokens, during the outage", describe(counts.during.results)],
        ["forged tokens, all the time", describe(forged.results)],
        ["valid tokens, with a new worker", describe(counts.with_new_worker.results)],
        ["valid tokens, after the outage", describe(counts.after.results)],
        ["fetches during the outage", counts.fetches],
        ["fetches in total", endpoint.fetches],
        ["requests, including repetitions", endpoint.requests],
    ]
    title = f"keys endpoint down for {counts.seconds:.0f} s, {WORKERS} workers"
    table(title, ["", "count"], rows)
    assert set(counts.during.results) == set(counts.after.results) == {"404"}
    assert set(counts.with_new_worker.results) <= {"404", "503"}
    assert set(forged.results) <= {"403", "503"}
    assert counts.fetches <= WORKERS * (1 + counts.seconds / COOL_DOWN_SECONDS)
    processes, duration = WORKERS + 1, time.monotonic() - began
    assert endpoint.fetches <= processes * (2 + duration / COOL_DOWN_SECONDS) + FIRST_TRIES


async def count_during_outage(
    launcher: GatewayLauncher, gateway: Gateway, forged: Clients
) -> Counts:
    endpoint, during = launcher.endpoint, people(launcher, gateway)
    endpoint.down, began, before = True, time.monotonic(), endpoint.fetches
    await asyncio.sleep(SECONDS)  # the length of the outage
    await asyncio.gather(during.answered(10), forged.answered(10))
    await during.stop()
    seconds, fetches = time.monotonic() - began, endpoint.fetches - before
    os.kill(gateway.processes()[0], signal.SIGTERM)
    await gateway.started(WORKERS + 1)
    await new_worker_answers_503(launcher, gateway)
    with_new_worker = await read_as_people(launcher, gateway)
    endpoint.down = False
    await gateway.all_ready(WORKERS + 1)
    return Counts(
        seconds, during, fetches, with_new_worker, await read_as_people(launcher, gateway)
    )


async def read_as_people(launcher: GatewayLauncher, gateway: Gateway) -> Clients:
    clients = people(launcher, gateway)
    await clients.answered(20)
    await clients.stop()
    return clients


def people(launcher: GatewayLauncher, gateway: Gateway) -> Clients:
    return launcher.clients(lambda: gateway.port, each=2, pause=PAUSE_SECONDS)


def forgers(launcher: GatewayLauncher, gateway: Gateway) -> Clients:
    """Send tokens that each name another unknown key."""
    claims = launcher.issuer.access("forger").split(".")[1]
    tokens = (f"{header(number)}.{claims}.c2ln" for number in itertools.count())
    return Clients(
        lambda: gateway.port, lambda: Request(token=next(tokens)), pause=PAUSE_SECONDS
    ).start(2)


def header(number: int) -> str:
    return base64_url(json.dumps({"kid": f"made-up-{number}", "alg": "RS256"}).encode())


async def new_worker_answers_503(launcher: GatewayLauncher, gateway: Gateway) -> None:
    """Wait for the 503 of a worker without keys, which cannot verify any token."""
    headers = {"Authorization": f"Bearer {launcher.issuer.access('alice')}"}

    async def unavailable() -> bool:
        async with (  # a new connection each time, since the new worker accepts only some
            aiohttp.ClientSession() as session,
            session.get(f"{gateway.url}/v1/me", headers=headers) as response,
        ):
            if response.status == 404:
                return False
            problem = await response.json(content_type=None)
            assert (response.status, problem["code"]) == (503, "keys_unavailable")
            assert int(response.headers["Retry-After"]) >= 1
            return True

    await eventually(unavailable)
