"""Serve the list of people who were referred with the caller's codes."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from contracts.messages import Identifier, UnixTime, View
from contracts.referrals import REFERRALS, UseState, UseView
from gateway.api.paging import newest_first
from gateway.http.bodies import Body
from gateway.http.own_documents import OwnDocuments
from gateway.http.requests import read_query
from gateway.http.responses import PRIVATE, Response, json_response
from gateway.http.routing import Auth, RequestContext, Route

PAGE: Final = 50
ShownState = Literal[
    "reserved", "confirmed", "held", "rejected", "released", "expired", "reversed"
]  # fmt: skip


class ReferralDetails(View):
    """A person who was referred with one of the caller's codes."""

    use_id: Identifier
    invited_user: str
    """Masked."""
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
    cursor: Annotated[str, Field(pattern=r"^\d{1,6}$")] | None = None


@dataclass(frozen=True, slots=True)
class ReferredPeople:
    """Show members the people they referred."""

    own_documents: OwnDocuments

    async def list_own(self, context: RequestContext) -> Response:
        """Return the referrals by the caller's codes, newest first."""
        query = read_query(context, ReferralQuery)
        document = await self.own_documents.load(context, REFERRALS)
        uses = () if document is None else document.view.uses
        referrals = [_details(use) for use in uses]
        if query.state is not None:
            referrals = [each for each in referrals if each.state == query.state]
        items, following = newest_first(referrals, query.cursor, PAGE)
        return json_response(ReferralList(items=items, next=following), headers=PRIVATE)


def shown_state(state: UseState) -> ShownState:
    """Return the state for clients: to the two people concerned, a delay is a kind of hold."""
    return "held" if state == "delayed" else state


def _details(use: UseView) -> ReferralDetails:
    return ReferralDetails(
        use_id=use.use_id,
        invited_user=use.invited_user,
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
        prefetch=REFERRALS,
        query=ReferralQuery,
        response=ReferralList,
        problems=(404,),
    ),
)
