"""The endpoint with the pool's signing keys is down, and somebody sends tokens with made-up keys.

`make chaos-gateway` runs a minute of it; `make chaos-gateway JWKS_SECONDS=600` ten.
"""

import asyncio
import itertools
import json
import os
import signal
import time

import aiohttp
import pytest

from deploy.local.ports import unused
from gateway.auth.keys import COOL_DOWN_SECONDS
from tests.chaos.callers import Callers, Request, table, told
from tests.chaos.gateways import Gateway, Place
from tests.gateway.world import b64
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

SECONDS = float(os.environ.get("JWKS_SECONDS", "1"))
WORKERS = 2
FIRST_TRIES = 5
"""Of a process without keys, before its pauses are as long as everybody's."""
PAUSE_SECONDS = 0.02


@pytest.mark.timeout(SECONDS + 300)
async def test_known_keys_serve_through_an_outage_and_nobody_storms_the_issuer(
    place: Place,
) -> None:
    endpoint = place.endpoint
    gateway = await place.serve(unused(1)[0], workers=WORKERS)
    assert endpoint.asked == WORKERS
    known, forged = people(place, gateway), forgers(place, gateway)
    endpoint.down, began = True, time.monotonic()
    await asyncio.sleep(SECONDS)  # how long it is down is the point
    await known.answered(10)
    await forged.answered(10)
    lasted, fetches = time.monotonic() - began, endpoint.asked - WORKERS
    await known.stop()
    os.kill(gateway.processes()[0], signal.SIGTERM)
    await gateway.started(WORKERS + 1)
    await a_new_process_asks_for_patience(place, gateway)
    beside = people(place, gateway)
    await beside.answered(20)
    await beside.stop()
    endpoint.down = False
    await gateway.all_ready(WORKERS + 1)
    everybody = people(place, gateway)
    await everybody.answered(20)
    await everybody.stop()
    await forged.stop()
    rows: list[list[object]] = [
        ["known, while it is down", told(known.seen)],
        ["forged, all the time", told(forged.seen)],
        ["known, with one new worker", told(beside.seen)],
        ["known, when it is back", told(everybody.seen)],
        ["fetches while it was down", fetches],
        ["fetches afterwards", endpoint.asked - WORKERS - fetches],
    ]
    table(f"keys endpoint down for {lasted:.0f} s, {WORKERS} workers", ["", "counted"], rows)
    assert fetches <= WORKERS * (1 + lasted / COOL_DOWN_SECONDS)
    more = WORKERS + 1 + (time.monotonic() - began - lasted) / COOL_DOWN_SECONDS * (WORKERS + 1)
    assert endpoint.asked - WORKERS - fetches <= FIRST_TRIES + more
    assert set(known.seen) == set(everybody.seen) == {"404"}
    assert set(beside.seen) <= {"404", "503"}
    assert set(forged.seen) <= {"403", "503"}


def people(place: Place, gateway: Gateway) -> Callers:
    return place.callers(lambda: gateway.port, each=2, pause=PAUSE_SECONDS)


def forgers(place: Place, gateway: Gateway) -> Callers:
    """Every token names a key that nobody has heard of."""
    claims = place.issuer.access("forger").split(".")[1]
    tokens = (f"{head(number)}.{claims}.c2ln" for number in itertools.count())
    return Callers(
        lambda: gateway.port, lambda: Request(token=next(tokens)), pause=PAUSE_SECONDS
    ).start(2)


def head(number: int) -> str:
    return b64(json.dumps({"kid": f"made-up-{number}", "alg": "RS256"}).encode())


async def a_new_process_asks_for_patience(place: Place, gateway: Gateway) -> None:
    """It cannot tell a good token from a bad one, and says just that."""
    headers = {"Authorization": f"Bearer {place.issuer.access('patient')}"}

    async def asked() -> bool:
        async with (  # a connection of its own each time: some are the new worker's
            aiohttp.ClientSession() as session,
            session.get(f"{gateway.url}/v1/me", headers=headers) as answer,
        ):
            if answer.status == 404:
                return False
            told = await answer.json(content_type=None)
            assert (answer.status, told["code"]) == (503, "keys_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
            return True

    await eventually(asked)
