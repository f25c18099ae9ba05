"""Jobs: how far the analysis of a token has come, once, waited for, or told as it goes."""

import asyncio
import contextlib
import re
import time
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web

from chassis.views.read_models import Document
from contracts.compute import ANALYSIS_JOBS
from gateway.http.endpoints import conditional
from gateway.http.problems import Problem, not_found
from gateway.http.responses import Response
from gateway.http.routing import RequestContext
from gateway.http.sse import Subject

LOOK_SECONDS: Final = 5.0
"""A change that nobody told of is seen after this."""
_JOB: Final = re.compile(r"analysis-[1-9][0-9]{0,15}-0x[0-9a-f]{40}", re.ASCII)
_OVER: Final = frozenset({"done", "failed"})


def job_view(document: Document[Any]) -> dict[str, Any]:
    view: dict[str, Any] = orjson.loads(document.body)
    return view


def is_over(document: Document[Any]) -> bool:
    return job_view(document)["state"] in _OVER


async def job_of(context: RequestContext, stream: str) -> Document[Any] | None:
    return await context.parts.compute.document(ANALYSIS_JOBS, stream)


async def get_job(context: RequestContext) -> Response:
    """The job as it is; with `Prefer: wait=n`, as it is at its end or n seconds later."""
    stream = _stream(context)
    wish = context.parts.commands.waits.preference(context.request, default=0.0)
    document = await wait_for_end(context, stream, wish.wait)
    if document is None:
        raise _no_job()
    headers = {"Preference-Applied": wish.applied} if wish.applied else {}
    return conditional(context, document).with_headers(headers)


async def stream_job(context: RequestContext) -> Response | web.StreamResponse:
    """Every state of the job until its end, as server-sent events."""
    stream = _stream(context)
    if await job_of(context, stream) is None:
        raise _no_job()
    return await context.parts.streams.serve(
        context, Subject(stream, partial(job_of, context, stream), b"job", is_over)
    )


async def wait_for_end(
    context: RequestContext, stream: str, seconds: float
) -> Document[Any] | None:
    """The job once it is over, or as it is when the time is."""
    end = time.monotonic() + seconds
    with context.parts.changes.watch(stream) as changed:
        while True:
            document = await job_of(context, stream)
            left = end - time.monotonic()
            if left <= 0 or document is None or is_over(document):
                return document
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await changed.wait()
            changed.clear()


def _stream(context: RequestContext) -> str:
    stream = context.request.match_info["job_id"]
    if _JOB.fullmatch(stream) is None:
        raise _no_job()
    return stream


def _no_job() -> Problem:
    return not_found("there is no such job", code="no_such_job")
