"""Providers on free ports, and a way to ask them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from compute.chain import Endpoint, Rpc
from deploy.local.chain import LocalChain, application
from deploy.local.settings import CHAIN_ID


@dataclass
class Providers:
    """Starts providers; all are closed at the end of the test."""

    session: aiohttp.ClientSession
    stack: contextlib.AsyncExitStack
    slept: list[float] = field(default_factory=list)

    async def serve(self, application_: web.Application, name: str = "first") -> Endpoint:
        runner = web.AppRunner(application_, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return Endpoint(f"http://{host}:{port}/", name, per_second=1e9)

    async def of(self, *chains: LocalChain) -> Rpc:
        names = ("first", "second", "third")
        served = zip(chains, names, strict=False)
        endpoints = [await self.serve(application(chain), name) for chain, name in served]
        return self.rpc(*endpoints)

    def rpc(self, *endpoints: Endpoint, chain_id: int = CHAIN_ID) -> Rpc:
        """Time passes by itself: whoever sleeps is told to have slept."""
        now = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += max(0.0, seconds)
            self.slept.append(seconds)

        return Rpc(self.session, endpoints, chain_id, clock=lambda: now, sleep=sleep)


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Providers(session, stack)
