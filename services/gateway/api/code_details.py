"""Describe referral codes to clients: terms, state and link."""

import time
from dataclasses import dataclass

from contracts.messages import UnixTime, View
from contracts.referral_code import CodeState, ShownReferralCode
from contracts.referrals import CodeKind, CodesView, CodeView


class CodeDetails(View):
    """A referral code and whether it can be used."""

    code: ShownReferralCode
    kind: CodeKind
    uses: int
    """Seats that are reserved or taken with this code."""
    max_uses: int | None
    expires_at: UnixTime | None
    state: CodeState
    url: str
    """The page that the code leads to."""


class CodeList(View):
    """All codes of a member."""

    items: tuple[CodeDetails, ...]
    remaining: int
    """How many more people the caller can refer, by all codes together."""


@dataclass(frozen=True, slots=True)
class CodeLinks:
    """Describe codes with the links that they lead to."""

    join_url: str
    """URL of the page for a code; `{code}` is replaced."""

    def url(self, code: CodeView) -> str:
        """Return the URL that a code leads to."""
        return self.join_url.format(code=code.shown)

    def describe(self, view: CodesView, code: CodeView) -> CodeDetails:
        """Return one of a member's codes as clients see it now."""
        return CodeDetails(
            code=code.shown,
            kind=code.kind,
            uses=code.uses,
            max_uses=code.max_uses,
            expires_at=code.expires_at,
            state=view.state_of(code, time.time()),
            url=self.url(code),
        )

    def list_of(self, view: CodesView) -> CodeList:
        """Return all codes of a member, and how many more people they can bring."""
        return CodeList(items=self.describe_all(view), remaining=view.remaining)

    def describe_all(self, view: CodesView) -> tuple[CodeDetails, ...]:
        """Return all codes of a member as clients see them now."""
        return tuple(self.describe(view, code) for code in view.codes)
