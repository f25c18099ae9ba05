"""Order invitations on boards: by inviter, by what is due, and by how long their mail waits."""

from collections.abc import Mapping
from typing import Final

from contracts.invites import InviteView

DUE_BOARD: Final = "due"
WAITING_BOARD: Final = "waiting"
"""Invitations whose mail has not been sent, by the time since when it waits."""


def boards(view: InviteView) -> Mapping[str, float | None]:
    """Return the score on each board; None: not on it."""
    due = None if view.due_at is None else float(view.due_at)
    return {
        f"inviter-{view.inviter_id}": float(view.requested_at),
        DUE_BOARD: due,
        WAITING_BOARD: float(_waits_since(view)) if view.state == "requested" else None,
    }


def _waits_since(view: InviteView) -> int:
    resent = (entry.at for entry in reversed(view.timeline) if entry.what == "resent")
    return next(resent, view.requested_at)
