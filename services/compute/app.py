"""Declare and compose the compute service."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import aiohttp
from aiobotocore.config import AioConfig

from chassis.decide.decider import Decider
from chassis.decide.streams import Snapshots
from chassis.log.codec import Codec
from chassis.run.service import Application, Handlers, Service
from compute.analysis import Labels, read_labels
from compute.analysis_runner import LocalColumns, ProcessAnalysisRunner, columns_directory
from compute.calculations import ChainProfile
from compute.chain import Endpoint, EvmChain, RpcClient, S3SegmentStore
from compute.domain import analyses
from compute.handlers import on_analysis_requested
from compute.process import SeparateProcess
from compute.projections import ANALYSIS_VIEWS
from compute.settings import Settings
from compute.state import STORED_STATE, Analysis
from compute.task_protection import TaskProtection
from compute.worker import Worker
from contracts.compute import (
    CHAINS,
    REPORT,
    REPORTS_CACHE_SECONDS,
    SERVICE,
    SUBSCRIPTION,
    ComputeCommand,
    ComputeEvent,
    reports_cache,
    reports_table,
)
from contracts.registry import subscribers
from readthrough import DAO, RAO, UnknownTable, VersionedStore

_S3: Final = AioConfig(
    retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=3, read_timeout=30
)
"""A segment has a few megabytes; botocore's own timeouts, a minute each, would hold an analysis."""

GB: Final = 10**9
ANALYSIS_SECONDS: Final = 1_500
"""Time for one step of an analysis: less than a run may take without an event."""

Compute = Application[Settings, Analysis, ComputeCommand, ComputeEvent]

LABELS: Final = "2026-11"
"""Version of the label set that comes with the service."""
NAME_TAGS: Final = "name-tags"
"""Labels from published name tags: see `deploy.label_set`. Those of `LABELS` replace them."""


def decider(settings: Settings) -> Decider[Analysis, ComputeCommand, ComputeEvent]:
    """Return a decider that accepts the chains with a configured endpoint."""
    chains = settings.known_chains
    ids = frozenset(chains.chain_id(name) for name in chains.by_name)
    return analyses(ids, settings.refresh_seconds)


@asynccontextmanager
async def compose(application: Compute) -> AsyncIterator[Handlers]:
    """Open the HTTP session and the S3 client of the worker, and yield the handlers."""
    settings = application.settings
    async with (
        aiohttp.ClientSession(trust_env=True) as session,
        application.resources.aws.create_client("s3", config=_S3) as s3,
        SeparateProcess.opened(int(settings.analysis_gigabytes * GB), ANALYSIS_SECONDS) as process,
        contextlib.aclosing(_reports(application)) as reports,
    ):
        segments = S3SegmentStore(settings.segments_bucket, s3)
        with columns_directory(settings.columns_directory) as directory:
            most_bytes = int(settings.columns_gigabytes * GB)
            columns = LocalColumns(directory, most_bytes, segments, process)
            worker = make_worker(application, session, segments, columns, VersionedStore(reports))
            announcement = ChainAnnouncement(worker.reports, worker.chains)
            protection = TaskProtection(session, settings.ecs_agent_uri)
            yield Handlers(
                on_event=on_analysis_requested(worker, protection),
                background=(announcement.announce,),
            )


@dataclass(frozen=True, slots=True)
class ChainAnnouncement:
    """Let the gateway know which chains have endpoints."""

    reports: VersionedStore
    chain_ids: Collection[int]

    async def announce(self) -> None:
        """Store the chains where the gateway looks for them."""
        body = json.dumps(sorted(self.chain_ids)).encode()
        with contextlib.suppress(UnknownTable):  # it is restored with the list of the last start
            await self.reports.put(CHAINS, 0, b"{}", {CHAINS: body})


def _reports(application: Compute) -> DAO:
    table = reports_table(application.settings.stack)
    return DAO(table, client=application.resources.dynamodb)


def make_worker(
    application: Compute,
    session: aiohttp.ClientSession,
    segments: S3SegmentStore,
    columns: LocalColumns,
    reports: VersionedStore,
) -> Worker:
    """Return the worker that runs the analyses."""
    settings = application.settings
    chains = settings.known_chains
    names = {chains.chain_id(name): name for name in chains.by_name}
    return Worker(
        handler=application.handler,
        chains={number: _chain(settings, name, session) for number, name in names.items()},
        segments=segments,
        columns=columns,
        runner=ProcessAnalysisRunner(
            {number: _profile(settings, number, name) for number, name in names.items()},
            columns.process,
        ),
        reports=reports,
        cache=RAO(
            reports_cache(REPORT), client=application.resources.redis, tte=REPORTS_CACHE_SECONDS
        ),
        max_transfers=settings.max_transfers,
    )


def _profile(settings: Settings, chain_id: int, name: str) -> ChainProfile:
    return ChainProfile(name, labels_of(settings, chain_id), settings.parameters_on(name))


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
    """Return the labels that come with the service and those of the operator's file.

    The operator's label of an address replaces the service's.
    """
    folder = files("compute").joinpath("labels")
    texts = [folder.joinpath(f"{name}.csv").read_text() for name in (NAME_TAGS, LABELS)]
    parts = [read_labels(LABELS, chain_id, text.splitlines()).known for text in texts]
    labels = Labels(LABELS, {name: label for part in parts for name, label in part.items()})
    if settings.labels_file is None:
        return labels
    text = settings.labels_file.read_text()
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    added = read_labels(f"{LABELS}+{version}", chain_id, text.splitlines())
    return Labels(added.version, {**labels.known, **added.known})


COMPUTE: Final = Service(
    name=SERVICE,
    settings=Settings,
    commands=ComputeCommand,
    decider=decider,
    codec=Codec[ComputeEvent](ComputeEvent),
    read_models=(ANALYSIS_VIEWS,),
    snapshots=Snapshots(STORED_STATE),
    subscription=SUBSCRIPTION,
    subscribers=subscribers,
    compose=compose,
)
