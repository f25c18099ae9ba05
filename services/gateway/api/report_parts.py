"""Serve a part of a report that is stored as a body of its own: the newest, or a past one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gateway.api.clusters import Clusters, Seconds
from gateway.api.reports import Reports
from gateway.api.tokens import Token, Tokens
from gateway.http.bodies import Body
from gateway.http.conditional import etag_response
from gateway.http.problems import not_found
from gateway.http.requests import read_query
from gateway.http.responses import Response
from gateway.http.routing import RequestContext
from readthrough import ReadThrough


class AtQuery(Body):
    at: (
        Annotated[Seconds, Field(description="Of the report as of this time (UNIX seconds).")]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class ReportParts:
    """Serve parts of reports."""

    tokens: Tokens
    reports: Reports
    clusters: Clusters

    async def respond(self, context: RequestContext, reader: ReadThrough, name: str) -> Response:
        """Return a part of the report that the query selects; request one if there is none.

        Raises:
            Problem: 404 if there is no report from before that time, or the report is older than
                the part: earlier versions of the service did not make it.
        """
        token, query = self.tokens.in_path(context), read_query(context, AtQuery)
        computed_at = await self.computed_at(context, token, query.at)
        if isinstance(computed_at, Response):
            return computed_at
        found = await reader.get(f"{token.report_key}@{computed_at}")
        if found is None:
            detail = f"This report was made without a {name}. Request a new analysis to get one."
            raise not_found(detail, code=f"no_{name}")
        return etag_response(context, found.stored.body, f'"{computed_at}"')

    async def computed_at(
        self, context: RequestContext, token: Token, at: str | None
    ) -> int | Response:
        """Return when the newest report was computed, or the one as of a past time.

        If the token has no report yet, the return value is the response 202 to a request for one.

        Raises:
            Problem: 404 if there is no report from before that time, and as `newest_report` does.
        """
        if at is None:
            newest = await self.clusters.newest_report(context, token)
            return newest if isinstance(newest, Response) else newest.stored.computed_at
        head = await self.reports.store.newest(token.report_key, until=int(at))
        if head is None:
            raise not_found("There is no report from before that time.", code="no_report")
        return head.computed_at
