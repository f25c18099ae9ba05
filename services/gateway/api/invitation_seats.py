"""Find out what became of the seat that an accepted invitation reserves."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from chassis.views.read_models import ReadModels
from contracts.addresses import folded, masked
from contracts.invites import INVITE_TOKENS, InviteView
from contracts.referral_ids import ReferralIds
from contracts.tokens import token_digest
from gateway.api.invitations import load_invitation
from gateway.api.uses import find_use
from gateway.http.change_feed import ChangeFeed
from gateway.http.preferences import WaitTimes
from gateway.http.problems import Problem
from gateway.http.routing import RequestContext
from gateway.http.waiting import wait_until_found

Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""The token from the link in the mail of an invitation."""


@dataclass(frozen=True, slots=True)
class InvitationSeat:
    """Represent an accepted invitation, and the use of the inviter's code for it."""

    view: InviteView
    use_id: str | None
    """None if the invitation offers no seat."""


@dataclass(frozen=True, slots=True)
class InvitationSeats:
    """Find the seats of accepted invitations."""

    read_models: ReadModels
    ids: ReferralIds
    changes: ChangeFeed
    waits: WaitTimes

    async def find(self, context: RequestContext, stream: str) -> InvitationSeat | None:
        """Return the seat of an accepted invitation; None if it is not known in time.

        Raises:
            Problem: 409; the seat was refused.
        """
        seconds = self.waits.preference(context.request).wait
        seat = await wait_until_found(self.changes, stream, lambda: self._look(stream), seconds)
        if seat is not None and seat.view.seat == "refused":
            detail = (
                "You have accepted the invitation, but there is no seat left for you. Ask the "
                "person who invited you for a new invitation, or try again later."
            )
            raise Problem(409, "no_seat", detail)
        return seat

    async def check_address(self, token: str, use_id: str, address: str) -> None:
        """Check that the person with this address was invited with a token, for this use.

        The holder of the token learns the masked address; without a token nothing is revealed.

        Raises:
            Problem: 409; another address was invited.
        """
        stream = await self.read_models.entry(INVITE_TOKENS, token_digest(token))
        view = None if stream is None else await load_invitation(self.read_models, stream)
        if view is None or use_id not in self.ids.use_ids(view.inviter_id, view.email):
            return
        if folded(view.email) != folded(address):
            detail = (
                f"The invitation was sent to {masked(view.email)}, and you have signed in with "
                "another address. Sign up with the invited address, or ask for an invitation to "
                "the address that you use."
            )
            raise Problem(409, "other_address_invited", detail)

    async def _look(self, stream: str) -> InvitationSeat | None:
        view = await load_invitation(self.read_models, stream)
        if view is None or view.seat == "pending":
            return None
        if view.code is None or view.seat == "refused":
            return InvitationSeat(view, None)
        use_id, use = await find_use(self.read_models, self.ids, view.inviter_id, view.email)
        return None if use is None else InvitationSeat(view, use_id)
