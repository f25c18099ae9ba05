"""Serve what is known about a token itself: metadata, a score, and its holders over time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from contracts.cluster_report import HolderChart, TokenMetadata, TokenScore
from contracts.messages import View
from gateway.api.report_parts import AtQuery, ReportParts
from gateway.api.reports import Reports
from gateway.api.tokens import EXAMPLE
from gateway.http.responses import Response
from gateway.http.routing import Auth, RequestContext, Route

Handler = Callable[[Any, RequestContext], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class TokenViews:
    """Serve views of a token that an analysis makes in addition to the report."""

    reports: Reports
    parts: ReportParts

    async def get_metadata(self, context: RequestContext) -> Response:
        """Return what the contract says about the token, and its numbers of holders."""
        return await self.parts.respond(context, self.reports.metadata, "metadata")

    async def get_score(self, context: RequestContext) -> Response:
        """Return the score and its components."""
        return await self.parts.respond(context, self.reports.scores, "score")

    async def get_chart(self, context: RequestContext) -> Response:
        """Return the numbers of holders over time."""
        return await self.parts.respond(context, self.reports.charts, "holderchart")


def _route(
    name: str, operation_id: str, handler: Handler, summary: str, response: type[View]
) -> Route[TokenViews]:
    return Route(
        "GET",
        f"/v1/tokens/{name}/{{chain}}/{{token_address}}",
        operation_id,
        Auth.PERSON,
        handler,
        summary=summary,
        limits=("reads",),
        query=AtQuery,
        conditional=True,
        waits=True,
        pending=True,
        example=EXAMPLE,
        response=response,
        problems=(404, 422, 501),
    )


ROUTES: Final = (
    _route(
        "metadata",
        "get_token_metadata",
        TokenViews.get_metadata,
        "Name, symbol, supply, creation and number of holders of a token",
        TokenMetadata,
    ),
    _route(
        "score",
        "get_token_score",
        TokenViews.get_score,
        "How widely a token is held, from 0 to 100, and why",
        TokenScore,
    ),
    _route(
        "holderchart",
        "get_token_holder_chart",
        TokenViews.get_chart,
        "The number of holders of a token over time",
        HolderChart,
    ),
)
