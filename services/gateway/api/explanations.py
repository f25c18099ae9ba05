"""Explain changes of a member's points in words: what happened, who it was about, and the rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from chassis.views.boards import Boards
from chassis.views.lists import Lists
from chassis.views.read_models import ReadModels
from contracts.messages import Identifier, View
from contracts.points import LEADERBOARD, LedgerEntry, PointsReason, PointsView
from contracts.referral_code import ShownReferralCode, shown
from contracts.referrals import REFERRAL_OWNERS, REFERRALS, UseView
from contracts.streams import MEMBERS
from gateway.api.invited_people import typed_addresses

LEDGER_PAGE: Final = 50
_OWN: Final = frozenset({"referral", "referral_reversed"})
"""Reasons that are about a person whom the member has referred."""
_RULES: Final[Mapping[PointsReason, str]] = {
    "referral": "A person who joins with your code earns you {points} points.",
    "referral_reversed": "A referral that is reversed loses the points that it earned.",
    "was_referred": "Joining with the code of another member earns you {points} points.",
    "credit_withdrawn": "If the referral is reversed, you lose the points for joining by it.",
}


class EntryExplanation(View):
    """Why points changed, in words for the member, and what the words are about."""

    text: str
    """One or two sentences, which may be shown as they are."""
    person: str | None
    """The other person: the address that the member invited, or a masked one; null if unknown."""
    code: ShownReferralCode | None
    """The code that was used."""
    invite_id: Identifier | None
    """The member's invitation that brought the person."""
    rule: str
    """The rule that sets the points, in words."""


class ExplainedEntry(LedgerEntry):
    """A change of a member's points, explained."""

    invite_id: Identifier | None = None
    """The member's invitation that brought the person, if there was one."""
    explanation: EntryExplanation


class LedgerPage(View):
    position: str
    """The version of your stream that the ledger reflects, as `<stream>@<version>`."""
    points: int
    pending: int
    items: tuple[ExplainedEntry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Explanations:
    """Explain entries of ledgers from the uses, codes and invitations behind them."""

    read_models: ReadModels

    async def first_page(self, ledger: PointsView) -> LedgerPage:
        """Return the newest entries of a ledger that was loaded with all of them."""
        newest = ledger.entries[: -LEDGER_PAGE - 1 : -1]
        earlier = len(ledger.entries) - len(newest)
        return await self.page(ledger, newest, str(earlier) if earlier else None)

    async def page(
        self, ledger: PointsView, entries: Sequence[LedgerEntry], following: str | None
    ) -> LedgerPage:
        """Return a page of a member's ledger: some entries, and the cursor of the next page."""
        return LedgerPage(
            position=f"{MEMBERS.stream(ledger.member_id)}@{ledger.version}",
            points=ledger.points,
            pending=ledger.pending,
            items=await self.explain(ledger.member_id, entries),
            next=following,
        )

    async def explain(
        self, member_id: str, entries: Sequence[LedgerEntry]
    ) -> tuple[ExplainedEntry, ...]:
        """Return the entries of a member's ledger with their explanations."""
        own = [entry.use_id for entry in entries if entry.reason in _OWN]
        stream = MEMBERS.stream(member_id)
        found = await Lists(self.read_models, REFERRALS).items(stream, own)
        uses = {use.use_id: use for use in found if use is not None}
        typed = await typed_addresses(self.read_models, member_id, uses.values())
        joined = await self._joined([e.use_id for e in entries if e.reason not in _OWN])
        return tuple(
            _explained(entry, uses.get(entry.use_id), typed)
            if entry.reason in _OWN
            else _explained_joining(entry, *joined.get(entry.use_id, ("", None)))
            for entry in entries
        )

    async def _joined(self, use_ids: Sequence[str]) -> dict[str, tuple[str, UseView | None]]:
        """Return use id -> the referrer's masked name and the use, for those by which one joined.

        A member has joined once: there are two entries at most.
        """
        streams = await self.read_models.entries(REFERRAL_OWNERS, use_ids)
        found: dict[str, tuple[str, UseView | None]] = {}
        for use_id, stream in zip(use_ids, streams, strict=True):
            if stream is not None and use_id not in found:
                use = await Lists(self.read_models, REFERRALS).item(stream, use_id)
                referrer = await Boards(self.read_models, LEADERBOARD).view(stream)
                found[use_id] = ("" if referrer is None else referrer.address_shown, use)
        return found


def _explained(entry: LedgerEntry, use: UseView | None, typed: Mapping[str, str]) -> ExplainedEntry:
    """Explain an entry about a person whom the member has referred."""
    invite_id = None if use is None else use.invite_id
    address = typed.get(invite_id or "")
    person = address or (use.invited_user if use else None)
    code = shown(use.code) if use else None
    name = person or "A person"
    if address and use is not None:
        name = f"{address}, whom you invited,"
    with_code = f" with your code {code}" if code else " with your code"
    points = abs(entry.delta)
    if entry.reason == "referral_reversed":
        text = f"The team reversed the referral of {person or 'a person'} on {_day(entry.at)}."
        text += f" You lose the {points} points that it earned."
    elif entry.state == "pending":
        text = f"{name} signed up{with_code} on {_day(entry.at)}. You get {points} points once "
        text += "the referral is confirmed."
    elif entry.state == "void":
        text = f"{name} signed up{with_code} on {_day(entry.at)}. The referral was not confirmed, "
        text += f"so its {points} points do not count."
    else:
        text = f"{name} joined{with_code} on {_day(entry.settled_at or entry.at)}. You earned "
        text += f"{points} points."
    return _with(entry, text=text, person=person, code=code, invite_id=invite_id)


def _explained_joining(entry: LedgerEntry, referrer: str, use: UseView | None) -> ExplainedEntry:
    """Explain an entry about the referral by which the member joined."""
    code = shown(use.code) if use else None
    by = f"the code {code} of {referrer}" if code and referrer else "the code of another member"
    points = abs(entry.delta)
    text = f"You joined with {by} on {_day(entry.at)}. You earned {points} points."
    if entry.reason == "credit_withdrawn":
        text = f"The team reversed the referral by which you joined on {_day(entry.at)}. You lose "
        text += f"the {points} points for joining with {by}."
    return _with(entry, text=text, person=referrer or None, code=code, invite_id=None)


def _with(
    entry: LedgerEntry, *, text: str, person: str | None, code: str | None, invite_id: str | None
) -> ExplainedEntry:
    rule = _RULES[entry.reason].format(points=abs(entry.delta))
    explanation = EntryExplanation(
        text=text,
        person=person,
        code=code,
        invite_id=invite_id,
        rule=f"{rule} (Rules, version {entry.rules_version})",
    )
    return ExplainedEntry(
        **entry.model_dump(include=set(LedgerEntry.model_fields), by_alias=False),
        invite_id=invite_id,
        explanation=explanation,
    )


def _day(at: int) -> str:
    """Return a day (UTC) such as 27 November 2026."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%B %Y}"
