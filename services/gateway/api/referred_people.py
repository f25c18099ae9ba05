"""Serve the list of people who were referred with the caller's codes."""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.messages import Identifier, UnixTime, View
from contracts.referral_code import ShownReferralCode, shown
from contracts.referrals import (
    ALL_REFERRALS,
    REFERRALS,
    REFERRALS_SUMMARY,
    ShownState,
    UseView,
    shown_state,
)
from contracts.streams import MEMBERS
from gateway.api.invited_people import typed_addresses
from gateway.http.bodies import Body
from gateway.http.own_documents import OwnDocuments
from gateway.http.requests import read_query
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

PAGE: Final = 50


class ReferralDetails(View):
    """A person who was referred with one of the caller's codes."""

    use_id: Identifier
    invited_user: str
    """The address that you invited, if your invitation brought the person; otherwise masked."""
    code: ShownReferralCode
    """The code that the person used."""
    invite_id: Identifier | None = None
    """Your invitation that brought the person, if there was one."""
    reserved_at: UnixTime
    """When the person used the code."""
    state: ShownState
    timestamp: UnixTime
    """When the referral reached this state."""
    expires_at: UnixTime | None = None


class ReferralList(View):
    items: tuple[ReferralDetails, ...]
    next: str | None = None
    """Cursor of the next page."""


class ReferralQuery(Body):
    state: (
        Annotated[
            ShownState,
            Field(description="Only referrals in this state; delayed ones count as held."),
        ]
        | None
    ) = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,9}$")] | None = None


@dataclass(frozen=True, slots=True)
class ReferredPeople:
    """Show members the people they referred."""

    read_models: ReadModels
    own_documents: OwnDocuments

    async def list_own(self, context: RequestContext) -> Response:
        """Return the referrals by the caller's codes, newest first."""
        query = read_query(context, ReferralQuery)
        if await self.own_documents.load(context, REFERRALS_SUMMARY) is None:
            return json_response(ReferralList(items=()), headers=PRIVATE)
        page = await Lists(self.read_models, REFERRALS).page(
            MEMBERS.stream(context.caller.subject),
            query.state or ALL_REFERRALS,
            after=None if query.cursor is None else float(query.cursor),
            limit=PAGE,
        )
        uses = [row.view for row in page.items]
        typed = await typed_addresses(self.read_models, context.caller.subject, uses)
        items = tuple(_details(use, typed.get(use.invite_id or "")) for use in uses)
        following = None if page.next is None else str(int(page.next))
        return json_response(ReferralList(items=items, next=following), headers=PRIVATE)


def _details(use: UseView, typed: str | None) -> ReferralDetails:
    return ReferralDetails(
        use_id=use.use_id,
        invited_user=typed or use.invited_user,
        code=shown(use.code),
        invite_id=use.invite_id,
        reserved_at=use.reserved_at,
        state=shown_state(use.state),
        timestamp=use.settled_at or use.reserved_at,
        expires_at=use.expires_at if use.state == "reserved" else None,
    )


ROUTES: Final = (
    Route(
        "GET",
        "/v1/referral/uses",
        "list_referral_uses",
        Auth.PERSON,
        ReferredPeople.list_own,
        summary="People referred with your codes, newest first",
        limits=("reads",),
        prefetch=REFERRALS_SUMMARY,
        query=ReferralQuery,
        response=ReferralList,
        problems=(404,),
    ),
)
