"""Serve views of cluster reports: holders, graph, history, and differences between two reports."""

from dataclasses import dataclass
from typing import Annotated, Final

import orjson
from pydantic import Field

from contracts.cluster_report import ClusterGraph, HistoryPage, HoldersPage, ReportDiff
from gateway.api.clusters import PATH, Seconds
from gateway.api.report_parts import AtQuery, ReportParts
from gateway.api.reports import Reports, diff_key
from gateway.api.tokens import EXAMPLE, Token, Tokens
from gateway.http.bodies import Body
from gateway.http.conditional import etag_response
from gateway.http.problems import malformed, not_found
from gateway.http.requests import read_query
from gateway.http.responses import PRIVATE, Response, accepted_response
from gateway.http.routing import Auth, RequestContext, Route
from readthrough import Version

PAGE: Final = 100

Limit = Annotated[
    str, Field(pattern=r"^([1-9][0-9]?|[1-4][0-9][0-9]|500)$", description="1 to 500.")
]


class HoldersQuery(AtQuery):
    limit: Limit | None = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,10}-[0-9]{1,6}$")] | None = None


class HistoryQuery(Body):
    limit: Limit | None = None
    cursor: Seconds | None = None


class DiffQuery(Body):
    from_: Annotated[Seconds, Field(alias="from")]
    to: Seconds


@dataclass(frozen=True, slots=True)
class ClusterViews:
    """Serve parts of reports, and reports over time."""

    tokens: Tokens
    reports: Reports
    parts: ReportParts

    async def list_holders(self, context: RequestContext) -> Response:
        """Return a page of holders; a cursor continues in the report that it began in."""
        token, query = self.tokens.in_path(context), read_query(context, HoldersQuery)
        if query.cursor is None:
            computed_at = await self.parts.computed_at(context, token, query.at)
            if isinstance(computed_at, Response):
                return computed_at
            at, first = computed_at, 0
        else:
            at, first = map(int, query.cursor.split("-"))
        found = await self.reports.holders.get(f"{token.report_key}@{at}")
        if found is None:
            detail = "cursor: Its report is no longer available. Start again without a cursor."
            raise malformed(detail)
        rows, last = orjson.loads(found.stored.body), first + int(query.limit or PAGE)
        following = f"{at}-{last}" if last < len(rows) else None
        page = {"computedAt": at, "items": rows[first:last], "next": following}
        return Response(200, orjson.dumps(page), PRIVATE)

    async def get_graph(self, context: RequestContext) -> Response:
        """Return the graph of the newest report, or of the one as of a past time."""
        return await self.parts.respond(context, self.reports.graphs, "graph")

    async def list_history(self, context: RequestContext) -> Response:
        """Return a summary of each report, newest first."""
        token, query = self.tokens.in_path(context), read_query(context, HistoryQuery)
        heads = await self.reports.store.history(token.report_key)
        if not heads:
            raise not_found("There is no report of this token yet.", code="no_report")
        before = int(query.cursor) if query.cursor is not None else heads[-1].computed_at + 1
        older = [head for head in reversed(heads) if head.computed_at < before]
        page = older[: int(query.limit or PAGE)]
        following = b'"%d"' % page[-1].computed_at if len(page) < len(older) else b"null"
        body = b'{"items":[%b],"next":%b}' % (b",".join(head.summary for head in page), following)
        return Response(200, body, PRIVATE)

    async def get_diff(self, context: RequestContext) -> Response:
        """Return the changes between the reports as of two times."""
        token, query = self.tokens.in_path(context), read_query(context, DiffQuery)
        older = await self._report_at(token, int(query.from_))
        newer = await self._report_at(token, int(query.to))
        if older.computed_at > newer.computed_at:
            raise malformed("from: Choose a time before `to`.")
        key = diff_key(token.report_key, older.computed_at, newer.computed_at)
        found = await self.reports.diffs.get(key)
        if found is None:
            return accepted_response(
                context.request_id,
                "The two reports are being compared. Try again shortly.",
                code="computing",
                location=str(context.request.rel_url),
            )
        etag = f'"{older.computed_at}-{newer.computed_at}"'
        return etag_response(context, found.stored.body, etag)

    async def _report_at(self, token: Token, at: int) -> Version:
        head = await self.reports.store.newest(token.report_key, until=at)
        if head is None:
            detail = f"There is no report of this token from before {at}."
            raise not_found(detail, code="no_report")
        return head


ROUTES: Final = (
    Route(
        "GET",
        f"{PATH}/holders",
        "list_cluster_holders",
        Auth.PERSON,
        ClusterViews.list_holders,
        summary="The largest holders with their clusters, in pages",
        limits=("reads",),
        query=HoldersQuery,
        waits=True,
        pending=True,
        example=EXAMPLE,
        response=HoldersPage,
        problems=(404, 501),
    ),
    Route(
        "GET",
        f"{PATH}/graph",
        "get_cluster_graph",
        Auth.PERSON,
        ClusterViews.get_graph,
        summary="Cluster members, large holders, evidence and transfers, as nodes and edges",
        limits=("reads",),
        query=AtQuery,
        conditional=True,
        waits=True,
        pending=True,
        example=EXAMPLE,
        response=ClusterGraph,
        problems=(404, 422, 501),
    ),
    Route(
        "GET",
        f"{PATH}/history",
        "list_cluster_history",
        Auth.PERSON,
        ClusterViews.list_history,
        summary="A summary of each analysis, newest first, in pages",
        limits=("reads",),
        query=HistoryQuery,
        example=EXAMPLE,
        response=HistoryPage,
        problems=(404,),
    ),
    Route(
        "GET",
        f"{PATH}/diff",
        "get_cluster_diff",
        Auth.PERSON,
        ClusterViews.get_diff,
        summary="What changed between the reports as of two moments",
        limits=("reads",),
        cost=10,
        query=DiffQuery,
        conditional=True,
        pending=True,
        example={**EXAMPLE, "from": "1790000000", "to": "1800000000"},
        response=ReportDiff,
        problems=(404,),
    ),
)
