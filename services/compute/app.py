"""Composition root of the compute service."""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import aioboto3
import aiohttp
from botocore.config import Config

from chassis.log.codec import Codec
from chassis.run.service import Application, Definition, Resources, assemble
from chassis.run.settings import ServiceSettings
from compute.analysis import Labels, Parameters, read_labels
from compute.analysis_runner import ChainProfile, ThreadedAnalysisRunner
from compute.chain import Endpoint, EvmChain, RpcClient, S3SegmentStore
from compute.domain import analyses
from compute.handlers import listen
from compute.projections import ANALYSIS_VIEWS
from compute.settings import Settings
from compute.state import Analysis
from compute.worker import Worker
from contracts.compute import (
    REPORT,
    REPORTS_KEPT_SECONDS,
    AnalysisRequested,
    ComputeCommand,
    ComputeEvent,
    reports_cache,
    reports_table,
)
from readthrough import DAO, RAO, VersionedStore

LABELS: Final = "2026-11"


def definition(settings: Settings) -> Definition[Analysis, ComputeCommand, ComputeEvent]:
    """Only chains with an endpoint are decided on; an analysis that is requested is work for us."""
    chains = settings.known_chains
    return Definition(
        name="compute",
        decider=analyses(frozenset(chains.chain_id(name) for name in chains.by_name)),
        codec=Codec(ComputeEvent),
        models=(ANALYSIS_VIEWS,),
        announces={AnalysisRequested: ("compute",)},
    )


def application(
    settings: ServiceSettings, resources: Resources
) -> Application[Analysis, ComputeCommand, ComputeEvent]:
    if not isinstance(settings, Settings):
        raise TypeError("these are not the settings of this service")
    assembled = assemble(definition(settings), settings, resources)
    outside = Outside()
    assembled.background.append(outside.run)
    made: list[Worker] = []

    async def worker() -> Worker:
        session = await outside.session()
        if not made:
            made.append(_worker(assembled, settings, session, outside))
        return made[0]

    listen(assembled, worker)
    return assembled


def _worker(
    assembled: Application[Analysis, ComputeCommand, ComputeEvent],
    settings: Settings,
    session: aiohttp.ClientSession,
    outside: "Outside",
) -> Worker:
    resources, names = assembled.resources, settings.known_chains.by_name
    table = DAO(reports_table(settings.stack), client=resources.dynamodb)
    ids = {settings.known_chains.chain_id(name): name for name in names}
    return Worker(
        handler=assembled.handler,
        chains={number: _chain(settings, name, session) for number, name in ids.items()},
        segments=S3SegmentStore(settings.segments_bucket, outside.s3),
        runner=ThreadedAnalysisRunner(
            {
                number: ChainProfile(
                    name,
                    labels_of(settings, number),
                    Parameters(funders_of=settings.funders_on(name)),
                )
                for number, name in ids.items()
            }
        ),
        reports=VersionedStore(table),
        cache=RAO(reports_cache(REPORT), client=resources.redis, tte=REPORTS_KEPT_SECONDS),
        max_transfers=settings.max_transfers,
    )


def _chain(settings: Settings, name: str, session: aiohttp.ClientSession) -> EvmChain:
    chain, chains = settings.chains[name], settings.known_chains
    endpoints = [
        Endpoint(url.get_secret_value(), f"{name} {number}", chain.rate)
        for number, url in enumerate(chain.urls, start=1)
    ]
    return EvmChain(
        RpcClient(session, endpoints, chains.chain_id(name)),
        finality=chain.depth,
        finality_blocks=chains.finality_blocks(name),
        start_block=chain.start_block,
    )


def labels_of(settings: Settings, chain_id: int) -> Labels:
    """Those that come with the service, and the operator's own."""
    ours = files("compute").joinpath("labels", f"{LABELS}.csv").read_text()
    labels = read_labels(LABELS, chain_id, ours.splitlines())
    if settings.labels_file is None:
        return labels
    text = settings.labels_file.read_text()
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    more = read_labels(f"{LABELS}+{version}", chain_id, text.splitlines())
    return Labels(more.version, {**labels.known, **more.known})


@dataclass(slots=True)
class Outside:
    """Connections that only analyses need; open while `run` runs."""

    _opened: "asyncio.Future[tuple[aiohttp.ClientSession, Any]] | None" = None

    def _future(self) -> "asyncio.Future[tuple[aiohttp.ClientSession, Any]]":
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()
        return self._opened

    async def run(self) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            s3 = await stack.enter_async_context(aioboto3.Session().client("s3", config=config))
            self._future().set_result((session, s3))
            await asyncio.Event().wait()

    async def session(self) -> aiohttp.ClientSession:
        return (await asyncio.shield(self._future()))[0]

    async def s3(self) -> Any:
        return (await asyncio.shield(self._future()))[1]
