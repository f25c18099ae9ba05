"""Find out with which code a member invites others, once invitations know the account."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from chassis.views.read_models import ReadModels
from contracts.invites import INVITER_PROFILES
from contracts.referrals import MEMBER_CODES, CodesView
from contracts.streams import INVITERS
from gateway.http.change_feed import ChangeFeed
from gateway.http.own_documents import OwnDocuments
from gateway.http.preferences import WaitTimes
from gateway.http.problems import unavailable
from gateway.http.routing import RequestContext
from gateway.http.waiting import wait_until_found

LEAST_SECONDS: Final = 2.0
"""Seconds to wait for a new account, also for a caller that does not wait for the outcome."""


@dataclass(frozen=True, slots=True)
class OfferedCode:
    """Represent the code whose seats an invitation offers."""

    code: str | None
    """The caller's first usable code; None without an account, or if none can be used."""
    none_usable: bool
    """Whether the caller has an account, but no code that can be used."""


@dataclass(frozen=True, slots=True)
class Inviters:
    """Prepare the calling member to invite others."""

    read_models: ReadModels
    own_documents: OwnDocuments
    changes: ChangeFeed
    waits: WaitTimes

    async def offered_code(self, context: RequestContext) -> OfferedCode:
        """Return the caller's first usable code, once the invites service knows the account.

        The service learns of an account a moment after it was opened.

        Raises:
            Problem: 503 if that takes longer than the caller waits.
        """
        stream = INVITERS.stream(context.caller.subject)
        document, profile = await asyncio.gather(
            self.own_documents.load(context, MEMBER_CODES),
            self.read_models.document(INVITER_PROFILES, stream),
        )
        if document is None or not document.view.opened:
            return OfferedCode(None, none_usable=False)
        if profile is None:
            await self._wait(context, stream)
        code = _first_usable(document.view)
        return OfferedCode(code, none_usable=code is None)

    async def _wait(self, context: RequestContext, stream: str) -> None:
        seconds = max(self.waits.preference(context.request).wait, LEAST_SECONDS)
        profile = await wait_until_found(
            self.changes,
            stream,
            lambda: self.read_models.document(INVITER_PROFILES, stream),
            seconds,
        )
        if profile is None:
            detail = "Your account is new and not ready for invitations yet. Try again shortly."
            raise unavailable("account_not_ready", detail)


def _first_usable(view: CodesView) -> str | None:
    now = time.time()
    return next((each.code for each in view.codes if view.state_of(each, now) == "active"), None)
