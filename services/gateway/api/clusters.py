"""Token clusters: the report, served from what is known and asked for over the bus; its views."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from aiohttp import web
from pydantic import Field

from chassis.views.read_models import Document
from contracts.cluster_report import ALWAYS
from contracts.compute import FailureCode, RequestAnalysis, report_key
from contracts.messages import CommandOutcome, View
from gateway.api.chains import chain_id, token_address
from gateway.api.jobs import is_over, job_of, job_view, wait_for_end
from gateway.api.reports import diff_key
from gateway.http.bodies import Body, Empty
from gateway.http.commands import CommandRejected
from gateway.http.endpoints import unless_known
from gateway.http.problems import FieldError, Problem, invalid, malformed, not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response, accepted_response
from gateway.http.routing import RequestContext
from readthrough import Found, Version

LASTING_SECONDS: Final = 600
"""How long a token that cannot be analysed is answered so, before it is looked at again."""
LASTING: Final[dict[FailureCode, int]] = {"no_contract": 404, "not_erc20": 422, "too_large": 422}
"""Why an analysis failed -> the status for whoever asks for its report."""
PAGE: Final = 100
PRIVATE: Final = {"Cache-Control": "private, no-cache"}
_JOINED: Final = web.RequestKey("joined", bool)

Seconds = Annotated[str, Field(pattern=r"^\d{1,10}$", description="UNIX seconds.")]
Limit = Annotated[str, Field(pattern=r"^([1-9]\d?|[1-4]\d\d|500)$", description="1 to 500.")]


class ClusterQuery(Body):
    at: Annotated[Seconds, Field(description="The report as of then (UNIX seconds).")] | None = None
    fields: (
        Annotated[
            str,
            Field(
                pattern=r"^[A-Za-z]+(,[A-Za-z]+)*$",
                max_length=300,
                description="Only these members of the report, with commas between them.",
            ),
        ]
        | None
    ) = None


class HoldersQuery(Body):
    limit: Limit | None = None
    cursor: Annotated[str, Field(pattern=r"^\d{1,10}-\d{1,6}$")] | None = None


class HistoryQuery(Body):
    limit: Limit | None = None
    cursor: Seconds | None = None


class DiffQuery(Body):
    from_: Annotated[Seconds, Field(alias="from")]
    to: Seconds


class Chain(View):
    """A chain, in the spellings that paths take."""

    name: str
    chain_id: int
    caip2: str


class Chains(View):
    items: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A token as a path names it."""

    chain: str
    address: str
    command: RequestAnalysis

    @property
    def pk(self) -> str:
        return report_key(self.command.chain_id, self.command.token_address)

    @property
    def job(self) -> str:
        return self.command.stream


def token_of(context: RequestContext) -> Token:
    """The token in the path, as it was written and as it is known.

    Raises:
        Problem: 400 for a chain that is not served, or what is no address.
    """
    chain, address = (
        context.request.match_info["chain"],
        context.request.match_info["token_address"],
    )
    command = RequestAnalysis(
        chain_id=chain_id(chain, context.parts.settings.chains),
        token_address=token_address(address),
    )
    return Token(chain, address, command)


async def list_chains(context: RequestContext) -> Response:
    chains = tuple(
        Chain(name=name, chain_id=number, caip2=f"eip155:{number}")
        for name, number in context.parts.settings.chains.items()
    )
    return Response(
        200,
        Chains(items=chains).model_dump_json().encode(),
        {"Cache-Control": "public, max-age=300"},
    )


# The report


async def get_cluster(context: RequestContext) -> Response:
    """Fresh or stale from Redis or the table; what is not fresh is asked for before the answer."""
    token = token_of(context)
    query = read_query(context, ClusterQuery)
    if query.at is not None:
        return await _as_of(context, token, int(query.at), query.fields)
    found = await context.parts.reports.reports.get(token.pk)
    if found is None:
        return await _missing(context, token, query.fields)
    job = await _refreshed(context, token) if found.state == "stale" else None
    return _report(context, found, query.fields, job)


async def _as_of(context: RequestContext, token: Token, at: int, fields: str | None) -> Response:
    head = await context.parts.reports.shelf.newest(token.pk, until=at)
    found = head and await context.parts.reports.reports.get(head.key)
    if not found:
        raise not_found("there is no report from before that time", code="no_report")
    etag = f'"{found.stored.computed_at}"'
    return unless_known(context, _chosen(found.stored.body, fields), etag)


def _report(
    context: RequestContext, found: Found, fields: str | None, job: str | None = None
) -> Response:
    """The stored bytes with the freshness put behind them: nothing of the report is decoded."""
    freshness: dict[str, Any] = {"state": found.state, "ageSeconds": found.age}
    if job is not None:
        freshness["jobId"] = job
    body = _chosen(found.stored.body, fields)
    body = b'%b,"freshness":%b}' % (body[:-1], orjson.dumps(freshness))
    # weak: the age goes on while the report stays what it is
    return unless_known(context, body, f'W/"{found.stored.computed_at}-{found.state}"')


def _chosen(body: bytes, fields: str | None) -> bytes:
    if fields is None:
        return body
    report, names = orjson.loads(body), fields.split(",")
    if unknown := [name for name in names if name not in report]:
        detail = f"the report has no {unknown[0]}; it has {', '.join(report)}"
        raise invalid([FieldError("fields", detail)])
    return orjson.dumps({name: report[name] for name in dict.fromkeys((*ALWAYS, *names))})


async def _refreshed(context: RequestContext, token: Token) -> str | None:
    """The job that makes a new report: the one that runs, or a new one; None if none can be had.

    Whoever has a stale report in hand is not refused because the bus is down.
    """
    document = await job_of(context, token.job)
    if document is not None and not is_over(document):
        return token.job
    try:
        await context.parts.commands.send(context, token.command)
    except Problem as problem:
        if problem.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return None
    return token.job


async def _missing(context: RequestContext, token: Token, fields: str | None) -> Response:
    """Nobody has looked at this token yet: ask for it, and wait if the caller wishes to."""
    document = await job_of(context, token.job)
    _check_failure(document)
    joined = document is not None and not is_over(document)
    if not joined:
        await _ask(context, token)
    wish = context.parts.commands.waits.preference(context.request)
    if wish.applied is not None and wish.wait > 0:
        document = await wait_for_end(context, token.job, wish.wait)
        _check_failure(document)
        if (found := await context.parts.reports.reports.get(token.pk)) is not None:
            return _report(context, found, fields)
    return _queued(context, token, document, deduplicated=joined)


async def _ask(context: RequestContext, token: Token) -> None:
    """Raises: Problem, if the service refuses it or the bus does not take it."""
    try:
        await context.parts.commands.request(context, token.command)
    except CommandRejected as rejected:
        if rejected.code != "too_fresh":
            raise


def _check_failure(document: Document[Any] | None) -> None:
    """Say what is wrong with a token that was looked at a moment ago.

    Raises:
        Problem: 404 or 422; what passes by itself is asked for again.
    """
    view = {} if document is None else job_view(document)
    status = LASTING.get(view.get("code") or "")  # type: ignore[arg-type]
    if status is not None and time.time() - view["endedAt"] < LASTING_SECONDS:
        raise Problem(status, view["code"], view["detail"])


def _queued(
    context: RequestContext, token: Token, document: Document[Any] | None, *, deduplicated: bool
) -> Response:
    job = {"id": token.job, "state": "queued", "deduplicated": deduplicated}
    if document is not None and not is_over(document):
        job["state"] = job_view(document)["state"]
    return accepted_response(
        context.request_id,
        f"Token {token.address} on chain {token.chain} was queued for cluster analysis.",
        code="queued",
        location=f"/v1/jobs/{token.job}",
        job=job,
    )


# A new report


async def request_analysis(context: RequestContext, _body: Empty) -> RequestAnalysis:
    token = token_of(context)
    document = await job_of(context, token.job)
    context.request[_JOINED] = document is not None and not is_over(document)
    return token.command


async def tell_analysis(
    context: RequestContext, command: RequestAnalysis, _outcome: CommandOutcome
) -> Response:
    document = await job_of(context, command.stream)
    _check_failure(document)
    return _queued(context, token_of(context), document, deduplicated=context.request[_JOINED])


# Views of the report


async def get_holders(context: RequestContext) -> Response:
    """Pages of one report: a cursor goes on in the report that it began in."""
    token, query = token_of(context), read_query(context, HoldersQuery)
    if query.cursor is None:
        newest = await context.parts.reports.reports.get(token.pk)
        if newest is None:
            return await _missing(context, token, None)
        at, first = newest.stored.computed_at, 0
    else:
        at, first = map(int, query.cursor.split("-"))
    found = await context.parts.reports.holders.get(f"{token.pk}@{at}")
    if found is None:
        raise malformed("cursor: the report that it belongs to is not there (any more)")
    rows, last = orjson.loads(found.stored.body), first + int(query.limit or PAGE)
    following = f"{at}-{last}" if last < len(rows) else None
    page = {"computedAt": at, "items": rows[first:last], "next": following}
    return Response(200, orjson.dumps(page), PRIVATE)


async def get_graph(context: RequestContext) -> Response:
    token = token_of(context)
    newest = await context.parts.reports.reports.get(token.pk)
    if newest is None:
        return await _missing(context, token, None)
    at = newest.stored.computed_at
    found = await context.parts.reports.graphs.get(f"{token.pk}@{at}")
    if found is None:
        raise not_found("this report has no graph", code="no_graph")
    return unless_known(context, found.stored.body, f'"{at}"')


async def get_history(context: RequestContext) -> Response:
    """What each report came to, the newest first."""
    token, query = token_of(context), read_query(context, HistoryQuery)
    heads = await context.parts.reports.shelf.history(token.pk)
    if not heads:
        raise not_found("there is no report of this token yet", code="no_report")
    before = int(query.cursor) if query.cursor is not None else heads[-1].computed_at + 1
    older = [head for head in reversed(heads) if head.computed_at < before]
    page = older[: int(query.limit or PAGE)]
    following = b'"%d"' % page[-1].computed_at if len(page) < len(older) else b"null"
    body = b'{"items":[%b],"next":%b}' % (b",".join(head.summary for head in page), following)
    return Response(200, body, PRIVATE)


async def get_diff(context: RequestContext) -> Response:
    """What changed between the reports as of two moments."""
    token, query = token_of(context), read_query(context, DiffQuery)
    older, newer = [await _head(context, token, int(at)) for at in (query.from_, query.to)]
    if older.computed_at > newer.computed_at:
        raise malformed("from: must not lie after to")
    key = diff_key(token.pk, older.computed_at, newer.computed_at)
    found = await context.parts.reports.diffs.get(key)
    if found is None:
        return accepted_response(
            context.request_id,
            "The two reports are being compared.",
            code="computing",
            location=str(context.request.rel_url),
        )
    return unless_known(context, found.stored.body, f'"{older.computed_at}-{newer.computed_at}"')


async def _head(context: RequestContext, token: Token, at: int) -> Version:
    head = await context.parts.reports.shelf.newest(token.pk, until=at)
    if head is None:
        raise not_found(f"there is no report of this token from before {at}", code="no_report")
    return head


# What is not built yet


async def not_built(context: RequestContext) -> Response:
    token_of(context)
    raise Problem(501, "not_implemented", "this is planned and not there yet")
