"""The endpoint with the pool's signing keys is down, and somebody sends tokens with made-up keys.

`make chaos-gateway` runs a minute of it; `make chaos-gateway JWKS_SECONDS=600` ten.
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
from deploy.local.ports import unused
from tests.chaos.callers import Callers, Request, table, told
from tests.chaos.gateways import Gateway, Place
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

SECONDS = float(os.environ.get("JWKS_SECONDS", "1"))
WORKERS = 2
FIRST_TRIES = 5
"""Of a process without keys, before its pauses are as long as everybody's."""
PAUSE_SECONDS = 0.02


@dataclass
class Counted:
    """What has become of requests with known tokens, and how often keys were fetched."""

    seconds: float
    meanwhile: Callers
    fetches: int
    beside: Callers
    """With one worker that was started during the outage."""
    back: Callers


@pytest.mark.timeout(SECONDS + 300)
async def test_known_keys_serve_through_an_outage_and_nobody_storms_the_issuer(
    place: Place,
) -> None:
    gateway, endpoint = await place.serve(unused(1)[0], workers=WORKERS), place.endpoint
    assert endpoint.fetches == WORKERS
    forged, began = forgers(place, gateway), time.monotonic()
    counted = await keys_are_away(place, gateway, forged)
    await forged.stop()
    rows: list[list[object]] = [
        ["known, while it is down", told(counted.meanwhile.seen)],
        ["forged, all the time", told(forged.seen)],
        ["known, with one new worker", told(counted.beside.seen)],
        ["known, when it is back", told(counted.back.seen)],
        ["fetches while it was down", counted.fetches],
        ["fetches, all in all", endpoint.fetches],
        ["requests, with repeated ones", endpoint.requests],
    ]
    title = f"keys endpoint down for {counted.seconds:.0f} s, {WORKERS} workers"
    table(title, ["", "counted"], rows)
    assert set(counted.meanwhile.seen) == set(counted.back.seen) == {"404"}
    assert set(counted.beside.seen) <= {"404", "503"}
    assert set(forged.seen) <= {"403", "503"}
    assert counted.fetches <= WORKERS * (1 + counted.seconds / COOL_DOWN_SECONDS)
    processes, whole = WORKERS + 1, time.monotonic() - began
    assert endpoint.fetches <= processes * (2 + whole / COOL_DOWN_SECONDS) + FIRST_TRIES


async def keys_are_away(place: Place, gateway: Gateway, forged: Callers) -> Counted:
    endpoint, meanwhile = place.endpoint, people(place, gateway)
    endpoint.down, began, before = True, time.monotonic(), endpoint.fetches
    await asyncio.sleep(SECONDS)  # how long it is down is the point
    await asyncio.gather(meanwhile.answered(10), forged.answered(10))
    await meanwhile.stop()
    seconds, fetches = time.monotonic() - began, endpoint.fetches - before
    os.kill(gateway.processes()[0], signal.SIGTERM)
    await gateway.started(WORKERS + 1)
    await a_new_process_asks_for_patience(place, gateway)
    beside = await asked(place, gateway)
    endpoint.down = False
    await gateway.all_ready(WORKERS + 1)
    return Counted(seconds, meanwhile, fetches, beside, await asked(place, gateway))


async def asked(place: Place, gateway: Gateway) -> Callers:
    callers = people(place, gateway)
    await callers.answered(20)
    await callers.stop()
    return callers


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
    return base64_url(json.dumps({"kid": f"made-up-{number}", "alg": "RS256"}).encode())


async def a_new_process_asks_for_patience(place: Place, gateway: Gateway) -> None:
    """It cannot tell a good token from a bad one, and says just that."""
    headers = {"Authorization": f"Bearer {place.issuer.access('patient')}"}

    async def patience() -> bool:
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

    await eventually(patience)
