"""Serve the metrics of all workers at one address, each sample labelled with its worker.

They are not added up: a worker that is replaced starts from zero, and Prometheus has to see which.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import web

from chassis.run.health import CONTENT_TYPE
from gateway.edge.metrics import Metrics

_TIMEOUT: Final = aiohttp.ClientTimeout(total=2)
_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104
_HELP: Final = "# HELP "


def metrics_of_others(host: str, first_port: int, workers: int) -> Mapping[int, str]:
    """Return worker -> URL of its metrics, of all workers but the first.

    Empty if the workers take any free port: then only their logs name it.
    """
    name = _WILDCARDS.get(host, f"[{host}]" if ":" in host else host)
    numbers = range(1, workers) if first_port else ()
    return {number: f"http://{name}:{first_port + number}/metrics" for number in numbers}


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """Collect the metrics of this worker and of the others."""

    own: Metrics
    others: Mapping[int, str]
    """Worker -> URL of its metrics."""

    async def serve(self, _request: web.Request) -> web.StreamResponse:
        """Respond with the metrics of all workers; one that does not answer is left out."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            found = await asyncio.gather(*(_fetch(session, url) for url in self.others.values()))
        up = {0: True, **{n: text is not None for n, text in zip(self.others, found, strict=True)}}
        texts = [self.own.exposition().decode(), *filter(None, found), _up(up)]
        return web.Response(body=merged(texts), headers={"Content-Type": CONTENT_TYPE})


async def _fetch(session: aiohttp.ClientSession, url: str) -> str | None:
    """Return a worker's metrics, None if it does not answer: it is being replaced."""
    try:
        async with session.get(url) as response:
            return await response.text() if response.status == HTTPStatus.OK else None
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def merged(expositions: Iterable[str]) -> bytes:
    """Return one exposition: the samples of each family together, below one header.

    The samples of different expositions must differ in their labels.
    """
    families: dict[str, list[str]] = {}
    for text in expositions:
        for family in ("\n" + text).split(f"\n{_HELP}")[1:]:
            description, kind, samples = (family + "\n\n").split("\n", 2)
            families.setdefault(f"{_HELP}{description}\n{kind}\n", []).append(samples.strip())
    return "".join(
        header + "".join(f"{samples}\n" for samples in each if samples)
        for header, each in families.items()
    ).encode()


def _up(workers: Mapping[int, bool]) -> str:
    samples = [
        f'gateway_worker_up{{worker="{number}"}} {int(up)}' for number, up in workers.items()
    ]
    name = "gateway_worker_up"
    header = [f"{_HELP}{name} 1 if the worker's metrics are among these.", f"# TYPE {name} gauge"]
    return "\n".join([*header, *samples])
