"""Serve analysis jobs: their progress, once, after a wait, or as server-sent events."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from chassis.views.read_models import Document, ReadModels
from contracts.compute import ANALYSIS_JOBS, AnalysisView
from gateway.http.change_feed import ChangeFeed
from gateway.http.conditional import document_response
from gateway.http.event_topics import State, Topic, document_state
from gateway.http.preferences import WaitTimes
from gateway.http.problems import Problem, not_found
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route
from gateway.http.sse import EventStreams

POLL_SECONDS: Final = 5.0
"""Seconds after which a waiting request looks again even if no change was reported."""
_JOB: Final = re.compile(r"analysis-[1-9][0-9]{0,15}-0x[0-9a-f]{40}", re.ASCII)
_EXAMPLE: Final = {"job_id": "analysis-1-0x" + "ab" * 20}

Job = Document[AnalysisView]


@dataclass(frozen=True, slots=True)
class AnalysisJobs:
    """Load analysis jobs, and wait for their ends."""

    read_models: ReadModels
    changes: ChangeFeed

    async def load(self, job_id: str) -> Job | None:
        """Return the latest analysis of a token; None if none was ever requested."""
        return await self.read_models.document(ANALYSIS_JOBS, job_id)

    async def wait(self, job_id: str, seconds: float) -> Job | None:
        """Return a job once it has ended, or as it is when the time is over."""
        deadline = time.monotonic() + seconds
        with self.changes.watch(job_id) as changed:
            while True:
                job = await self.load(job_id)
                left = deadline - time.monotonic()
                if left <= 0 or job is None or has_ended(job):
                    return job
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left, POLL_SECONDS)):
                        await changed.wait()
                changed.clear()


def has_ended(job: Job) -> bool:
    """Return whether a job is done or has failed."""
    return job.view.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class Jobs:
    """Serve the progress of analyses."""

    jobs: AnalysisJobs
    waits: WaitTimes
    streams: EventStreams

    async def get(self, context: RequestContext) -> Response:
        """Return a job as it is; with `Prefer: wait=n`, at its end or n seconds later."""
        job_id = _job_id(context)
        preference = self.waits.preference(context.request, default=0.0)
        job = await self.jobs.wait(job_id, preference.wait)
        if job is None:
            raise _no_job()
        return document_response(context, job).with_headers(preference.headers)

    async def stream(self, context: RequestContext) -> Response | web.StreamResponse:
        """Stream every state of a job until its end."""
        job_id = _job_id(context)
        if await self.jobs.load(job_id) is None:
            raise _no_job()

        async def load() -> State | None:
            job = await self.jobs.load(job_id)
            return document_state(job, is_final=job is not None and has_ended(job))

        return await self.streams.serve(context, job_id, [Topic("job", load)])


def _job_id(context: RequestContext) -> str:
    job_id = context.request.match_info["job_id"]
    if _JOB.fullmatch(job_id) is None:
        raise _no_job()
    return job_id


def _no_job() -> Problem:
    return not_found("There is no such job.", code="no_such_job")


ROUTES: Final = (
    Route(
        "GET",
        "/v1/jobs/{job_id}",
        "get_job",
        Auth.PERSON,
        Jobs.get,
        summary="The progress of an analysis; with `Prefer: wait=n`, its end",
        limits=("reads",),
        conditional=True,
        waits=True,
        example=_EXAMPLE,
        response=AnalysisView,
    ),
    Route(
        "GET",
        "/v1/jobs/{job_id}/events",
        "stream_job",
        Auth.PERSON,
        Jobs.stream,
        summary="The progress of an analysis until its end (server-sent events)",
        limits=("reads",),
        streams=True,
        example=_EXAMPLE,
    ),
)
