"""Serve token clusters: the stored report, and requests for a new analysis.

A report is served fresh or stale. A stale one is served at once while a new analysis is requested;
without a report the analysis is requested and the caller gets 202, or the report if it waits. Each
analysis that is started counts against the same limit, whichever request starts it.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from pydantic import Field

from contracts.cluster_report import ALWAYS, ServedReport
from contracts.compute import FailureCode
from gateway.api.jobs import AnalysisJobs, Job, has_ended
from gateway.api.reports import Reports
from gateway.api.tokens import EXAMPLE, Token, Tokens
from gateway.http.bodies import Body, Empty
from gateway.http.command_responses import CommandRejected
from gateway.http.commands import Commands
from gateway.http.conditional import etag_response
from gateway.http.problems import FieldError, Problem, invalid, not_found
from gateway.http.requests import read_body, read_query
from gateway.http.responses import Response, accepted_response
from gateway.http.routing import Auth, RequestContext, Route
from gateway.limits.rate_limit import charge_person
from readthrough import Found
from token_bucket import RateLimiter

STARTED: Final = "refreshes"
"""Limit that counts the analyses that a person starts."""
_NOT_STARTED: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
PATH: Final = "/v1/tokens/cluster/{chain}/{token_address}"
LASTING_SECONDS: Final = 600
"""Seconds for which a lasting failure is reported before the token is analysed again."""
LASTING: Final[dict[FailureCode, int]] = {
    "no_contract": 404,
    "not_erc20": 422,
    "too_large": 422,
    "not_computable": 422,
}
"""Failures that a repetition does not cure -> status for callers that request the report."""

Seconds = Annotated[str, Field(pattern=r"^[0-9]{1,10}$", description="UNIX seconds.")]


class ClusterQuery(Body):
    at: (
        Annotated[Seconds, Field(description="The report as of this time (UNIX seconds).")] | None
    ) = None
    fields: (
        Annotated[
            str,
            Field(
                pattern=r"^[A-Za-z]+(,[A-Za-z]+)*$",
                max_length=300,
                description="Only these members of the report, separated by commas.",
            ),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Serve reports of token clusters, and request analyses."""

    tokens: Tokens
    reports: Reports
    jobs: AnalysisJobs
    commands: Commands
    limiter: RateLimiter

    async def get(self, context: RequestContext) -> Response:
        """Return the newest report, or the one as of a past time."""
        token, query = self.tokens.in_path(context), read_query(context, ClusterQuery)
        if query.at is not None:
            return await self._past_report(context, token, int(query.at), query.fields)
        found = await self.newest_report(context, token)
        if isinstance(found, Response):
            return found
        job_id = await self._refresh(context, token) if found.state == "stale" else None
        return _report_response(context, found, query.fields, job_id)

    async def refresh(self, context: RequestContext) -> Response:
        """Request a new analysis, or join the one that is running."""
        await read_body(context, Empty)
        token = self.tokens.in_path(context)
        running = _is_running(await self.jobs.load(token.job_id))
        await self.commands.execute(context, token.command)
        job = await self.jobs.load(token.job_id)
        _raise_lasting_failure(job)
        return _queued_response(context, token, job, deduplicated=running)

    async def newest_report(self, context: RequestContext, token: Token) -> Found | Response:
        """Return the newest report; if there is none, request the first analysis of the token.

        A caller that waits gets the report of that analysis; for others, and after the wait, the
        return value is the response 202.

        Raises:
            Problem: 404 or 422 if the token cannot be analysed; 429 if the caller has started too
                many analyses; 503 if the bus is down.
        """
        if (found := await self.reports.reports.get(token.report_key)) is not None:
            return found
        job = await self.jobs.load(token.job_id)
        _raise_lasting_failure(job)
        running = _is_running(job)
        if not running and not context.is_head:
            await charge_person(self.limiter, STARTED, context)
            await self._request(context, token)
        preference = self.commands.waits.preference(context.request)
        if preference.applied is not None and preference.wait > 0:
            job = await self.jobs.wait(token.job_id, preference.wait)
            _raise_lasting_failure(job)
            if (found := await self.reports.reports.get(token.report_key)) is not None:
                return found
        return _queued_response(context, token, job, deduplicated=running)

    async def _past_report(
        self, context: RequestContext, token: Token, at: int, fields: str | None
    ) -> Response:
        head = await self.reports.store.newest(token.report_key, until=at)
        found = None if head is None else await self.reports.reports.get(head.key)
        if found is None:
            detail = "There is no report from before that time."
            raise not_found(detail, code="no_report")
        etag = f'"{found.stored.computed_at}"'
        return etag_response(context, _selected(found.stored.body, fields), etag)

    async def _refresh(self, context: RequestContext, token: Token) -> str | None:
        """Return the job that makes a new report: a running one, or a new one.

        None if the bus is down, the caller has started too many analyses, or to HEAD: the caller
        gets the stale report nevertheless.
        """
        if _is_running(await self.jobs.load(token.job_id)):
            return token.job_id
        if context.is_head:
            return None
        try:
            await charge_person(self.limiter, STARTED, context)
            await self.commands.send(context, token.command)
        except Problem as problem:
            if problem.status not in _NOT_STARTED:
                raise
            return None
        return token.job_id

    async def _request(self, context: RequestContext, token: Token) -> None:
        """Request an analysis on behalf of a read."""
        try:
            await self.commands.request(context, token.command)
        except CommandRejected as rejected:
            if rejected.code != "too_fresh":
                raise


def _is_running(job: Job | None) -> bool:
    return job is not None and not has_ended(job)


def _raise_lasting_failure(job: Job | None) -> None:
    """Report why a token could not be analysed a short time ago.

    Raises:
        Problem: 404 or 422. Failures that may pass raise nothing: the analysis is requested again.
    """
    view = None if job is None else job.view
    if view is None or view.code is None or view.ended_at is None:
        return
    status = LASTING.get(view.code)
    if status is not None and time.time() - view.ended_at < LASTING_SECONDS:
        raise Problem(status, view.code, view.detail or "")


def _report_response(
    context: RequestContext, found: Found, fields: str | None, job_id: str | None = None
) -> Response:
    """Return the stored bytes with the freshness appended: the report is not decoded."""
    freshness: dict[str, Any] = {"state": found.state, "ageSeconds": found.age}
    if job_id is not None:
        freshness["jobId"] = job_id
    body = _selected(found.stored.body, fields)
    body = b'%b,"freshness":%b}' % (body[:-1], orjson.dumps(freshness))
    # weak: the age changes while the report stays the same
    return etag_response(context, body, f'W/"{found.stored.computed_at}-{found.state}"')


def _selected(body: bytes, fields: str | None) -> bytes:
    """Return only the requested members of a report, and those that every report shows."""
    if fields is None:
        return body
    report, names = orjson.loads(body), fields.split(",")
    if unknown := [name for name in names if name not in report]:
        detail = f"The report has no {unknown[0]}. Choose from {', '.join(report)}."
        raise invalid([FieldError("fields", detail)])
    return orjson.dumps({name: report[name] for name in dict.fromkeys((*ALWAYS, *names))})


def _queued_response(
    context: RequestContext, token: Token, job: Job | None, *, deduplicated: bool
) -> Response:
    state = job.view.state if job is not None and not has_ended(job) else "queued"
    return accepted_response(
        context.request_id,
        f"Token {token.address} on chain {token.chain} was queued for cluster analysis.",
        code="queued",
        location=f"/v1/jobs/{token.job_id}",
        job={"id": token.job_id, "state": state, "deduplicated": deduplicated},
    )


ROUTES: Final = (
    Route(
        "GET",
        PATH,
        "get_cluster_analysis",
        Auth.PERSON,
        Clusters.get,
        summary="Which wallets hold this token together; requests an analysis if there is none yet",
        limits=("reads",),
        query=ClusterQuery,
        conditional=True,
        waits=True,
        pending=True,
        example=EXAMPLE,
        response=ServedReport,
        problems=(404, 422, 501),
    ),
    Route(
        "POST",
        f"{PATH}/refresh",
        "refresh_cluster_analysis",
        Auth.ACCESS,
        Clusters.refresh,
        summary="Request a new analysis of which wallets hold this token together",
        limits=("writes", STARTED),
        success=202,
        body=Empty,
        example=EXAMPLE,
        problems=(404, 409, 501),
    ),
)
