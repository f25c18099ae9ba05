"""Serve simulated providers on free ports."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from compute.chain import Endpoint, RpcClient
from deploy.local.chain import SimulatedChain, application
from deploy.local.settings import CHAIN_ID


@dataclass
class Providers:
    """Starts providers; all are stopped at the end of the test."""

    session: aiohttp.ClientSession
    stack: contextlib.AsyncExitStack
    slept: list[float] = field(default_factory=list)

    async def serve(self, app: web.Application, name: str = "first") -> Endpoint:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return Endpoint(f"http://{host}:{port}/", name, per_second=1e9)

    async def of(self, *chains: SimulatedChain) -> RpcClient:
        names = ("first", "second", "third")
        served = zip(chains, names, strict=False)
        endpoints = [await self.serve(application(chain), name) for chain, name in served]
        return self.rpc(*endpoints)

    def rpc(self, *endpoints: Endpoint, chain_id: int = CHAIN_ID) -> RpcClient:
        """Return a client whose clock advances when it sleeps, without waiting."""
        now = 0.0

        async def sleep(seconds: float) -> None:
            nonlocal now
            now += max(0.0, seconds)
            self.slept.append(seconds)

        return RpcClient(self.session, endpoints, chain_id, clock=lambda: now, sleep=sleep)


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Providers(session, stack)
