"""What readers see of inviters."""

from typing import assert_never

from chassis.projection import Projection
from contracts.invites import InviteEvent, InviterRegistered, InviterView


def fold(_view: InviterView | None, event: InviteEvent) -> InviterView | None:
    match event:
        case InviterRegistered():
            return InviterView(member_id=event.member_id, registered_at=event.registered_at)
        case _:
            assert_never(event)


INVITER_VIEWS = Projection("inviters", InviterView, fold)
