"""Let administrators decide on doubtful referrals, and reverse confirmed ones."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.messages import Identifier, View
from contracts.referrals import (
    REVIEW_CASES,
    ApproveReferral,
    Case,
    RejectReferral,
    ReverseReferral,
)
from contracts.rejections import UNKNOWN_REFERRAL
from gateway.api.members import Explanation
from gateway.api.uses import owner_of_referral
from gateway.http.bodies import Body
from gateway.http.commands import Commands
from gateway.http.requests import id_in_path, read_body, read_query
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

OPEN: Final = "open"
PAGE: Final = 20
"""Referrers per page."""
_EXAMPLE: Final = {"use_id": "0" * 32, "reason": "checked by phone"}


class OpenCase(Case):
    """A referral that waits for a decision, and its referrer."""

    referrer_id: Identifier


class OpenCases(View):
    items: tuple[OpenCase, ...]
    next: str | None = None
    """Cursor of the next page."""


class CasesQuery(Body):
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None


@dataclass(frozen=True, slots=True)
class ReviewCases:
    """Serve open cases, and carry out the administrators' decisions."""

    commands: Commands
    read_models: ReadModels

    async def list_open(self, context: RequestContext) -> Response:
        """Return open cases grouped by referrer, oldest first."""
        first = int(read_query(context, CasesQuery).cursor or 0)
        page = await Boards(self.read_models, REVIEW_CASES).page(OPEN, first=first, limit=PAGE)
        views = [row.view for row in page.rows]
        items = tuple(
            OpenCase.model_validate({**case.model_dump(), "referrerId": view.member_id})
            for view in views
            for case in view.cases
        )
        after = first + len(views)
        following = str(after) if views and after < page.total else None
        return json_response(OpenCases(items=items, next=following), headers=PRIVATE)

    async def approve(self, context: RequestContext) -> Response:
        """Confirm a held referral."""
        given = await self._decision(context)
        command = ApproveReferral(
            member_id=given.referrer_id, use_id=given.use_id, by=given.by, reason=given.reason
        )
        await self.commands.execute(context, command)
        return Response(204)

    async def reject(self, context: RequestContext) -> Response:
        """Reject a held referral."""
        given = await self._decision(context)
        command = RejectReferral(
            member_id=given.referrer_id, use_id=given.use_id, by=given.by, reason=given.reason
        )
        await self.commands.execute(context, command)
        return Response(204)

    async def reverse(self, context: RequestContext) -> Response:
        """Reverse a confirmed referral, and deduct its points."""
        given = await self._decision(context)
        command = ReverseReferral(
            member_id=given.referrer_id, use_id=given.use_id, by=given.by, reason=given.reason
        )
        await self.commands.execute(context, command)
        return Response(204)

    async def _decision(self, context: RequestContext) -> "_Decision":
        body = await read_body(context, Explanation)
        use_id = id_in_path(context, "use_id", UNKNOWN_REFERRAL)
        return _Decision(
            referrer_id=await owner_of_referral(self.read_models, use_id),
            use_id=use_id,
            by=context.caller.subject,
            reason=body.reason,
        )


@dataclass(frozen=True, slots=True)
class _Decision:
    """Describe on which referral an administrator decides, and why."""

    referrer_id: str
    use_id: str
    by: str
    reason: str


ROUTES: Final = (
    Route(
        "GET",
        "/v1/admin/cases",
        "list_cases",
        Auth.ADMIN,
        ReviewCases.list_open,
        summary="Referrals that wait for a decision, with what speaks for and against each",
        limits=("admin",),
        query=CasesQuery,
        response=OpenCases,
    ),
    Route(
        "POST",
        "/v1/admin/cases/{use_id}/approve",
        "approve_case",
        Auth.ADMIN,
        ReviewCases.approve,
        summary="Confirm a held referral",
        limits=("admin",),
        success=204,
        body=Explanation,
        example=_EXAMPLE,
    ),
    Route(
        "POST",
        "/v1/admin/cases/{use_id}/reject",
        "reject_case",
        Auth.ADMIN,
        ReviewCases.reject,
        summary="Reject a held referral",
        limits=("admin",),
        success=204,
        body=Explanation,
        example=_EXAMPLE,
    ),
    Route(
        "POST",
        "/v1/admin/uses/{use_id}/reverse",
        "reverse_use",
        Auth.ADMIN,
        ReviewCases.reverse,
        summary="Reverse a confirmed referral, and deduct its points",
        limits=("admin",),
        success=204,
        body=Explanation,
        example=_EXAMPLE,
    ),
)
