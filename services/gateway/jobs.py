"""Jobs: how far the analysis of a token has come, once, waited for, or told as it goes."""

import asyncio
import contextlib
import re
import time
from functools import partial
from typing import Any, Final

import orjson
from aiohttp import web

from chassis.read_models import Document
from gateway.endpoints import conditional
from gateway.errors import Problem, not_found
from gateway.events import Subject, stream_changes
from gateway.http import Answer, Call
from gateway.preferences import preference

ANALYSES: Final = "analyses"
LOOK_SECONDS: Final = 5.0
"""A change that nobody told of is seen after this."""
_JOB: Final = re.compile(r"analysis-[1-9][0-9]{0,15}-0x[0-9a-f]{40}", re.ASCII)
_OVER: Final = frozenset({"done", "failed"})


def job_view(document: Document) -> dict[str, Any]:
    view: dict[str, Any] = orjson.loads(document.body)
    return view


def is_over(document: Document) -> bool:
    return job_view(document)["state"] in _OVER


async def job_of(call: Call, stream: str) -> Document | None:
    return await call.parts.compute.document(ANALYSES, stream)


async def get_job(call: Call) -> Answer:
    """The job as it is; with `Prefer: wait=n`, as it is at its end or n seconds later."""
    stream = _stream(call)
    wish = preference(call.request, usual=0.0, most=call.parts.settings.max_wait_seconds)
    document = await wait_for_end(call, stream, wish.wait)
    if document is None:
        raise _no_job()
    headers = {"Preference-Applied": wish.applied} if wish.applied else {}
    return conditional(call, document).with_headers(headers)


async def stream_job(call: Call) -> Answer | web.StreamResponse:
    """Every state of the job until its end, as server-sent events."""
    stream = _stream(call)
    if await job_of(call, stream) is None:
        raise _no_job()
    return await stream_changes(
        call, Subject(stream, partial(job_of, call, stream), b"job", is_over)
    )


async def wait_for_end(call: Call, stream: str, seconds: float) -> Document | None:
    """The job once it is over, or as it is when the time is."""
    end = time.monotonic() + seconds
    with call.parts.changes.of(stream) as changed:
        while True:
            document = await job_of(call, stream)
            left = end - time.monotonic()
            if left <= 0 or document is None or is_over(document):
                return document
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await changed.wait()
            changed.clear()


def _stream(call: Call) -> str:
    stream = call.request.match_info["job_id"]
    if _JOB.fullmatch(stream) is None:
        raise _no_job()
    return stream


def _no_job() -> Problem:
    return not_found("there is no such job", code="no_such_job")
