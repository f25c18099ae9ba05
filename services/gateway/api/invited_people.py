"""Show inviters what they may know: the addresses that they typed, and what came of invitations."""

from collections.abc import Iterable, Sequence

from chassis.views.boards import Boards
from chassis.views.read_models import ReadModels
from contracts.invites import (
    INVITES,
    MAX_RESENDS,
    RESEND_PAUSE_SECONDS,
    Happening,
    InviteState,
    InviteView,
    SeatState,
)
from contracts.messages import Identifier, UnixTime, View
from contracts.referrals import INVITED_USES, UseView
from contracts.streams import INVITATIONS

_NOT_RESENDABLE = frozenset({"accepted", "declined", "revoked"})


class InvitationDetails(View):
    """An invitation of the caller, and what has happened to it."""

    invite_id: Identifier
    email: str
    state: InviteState
    requested_at: UnixTime
    expires_at: UnixTime
    timeline: tuple[Happening, ...]
    use_id: Identifier | None = None
    """The use of your code that the accepted invitation led to."""
    seat: SeatState | None = None
    """Whether the person who accepted has got a seat; you can invite a refused one again."""
    resends_left: int
    """How often the mail can be sent again."""
    resendable_at: UnixTime | None
    """From when it can be sent again; null if it cannot."""


async def describe_invitations(
    read_models: ReadModels, views: Sequence[InviteView]
) -> tuple[InvitationDetails, ...]:
    """Return a member's invitations as the member sees them.

    Only an accepted invitation names a use: otherwise members could find out who has used their
    codes by inviting addresses.
    """
    accepted = [view.invite_id for view in views if view.state == "accepted"]
    uses = await read_models.entries(INVITED_USES, accepted)
    use_ids = dict(zip(accepted, uses, strict=True))
    return tuple(_details(view, use_ids.get(view.invite_id)) for view in views)


async def typed_addresses(
    read_models: ReadModels, member_id: str, uses: Iterable[UseView]
) -> dict[str, str]:
    """Return invitation id -> the address that the member typed, for uses that it brought."""
    ids = sorted({use.invite_id for use in uses if use.invite_id is not None})
    streams = [INVITATIONS.stream(invite_id) for invite_id in ids]
    views = await Boards(read_models, INVITES).views(streams)
    return {
        view.invite_id: view.email
        for view in views
        if view is not None and view.inviter_id == member_id
    }


def _details(view: InviteView, use_id: str | None) -> InvitationDetails:
    resent_at = [entry.at for entry in view.timeline if entry.what == "resent"]
    left = max(0, MAX_RESENDS - len(resent_at))
    if view.state in _NOT_RESENDABLE:
        left = 0
    return InvitationDetails(
        invite_id=view.invite_id,
        email=view.email,
        state=view.state,
        requested_at=view.requested_at,
        expires_at=view.expires_at,
        timeline=view.timeline,
        use_id=use_id,
        seat=view.seat,
        resends_left=left,
        resendable_at=max([view.requested_at, *resent_at]) + RESEND_PAUSE_SECONDS if left else None,
    )
