"""Define an account's referrals, bounded however many there have been (pure).

An open referral is stored completely: it takes one of the account's seats. Of those that are over,
only what later commands depend on is stored: a confirmed referral takes its seat for good and can
be reversed for a while, and a person who was rejected cannot be referred again.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Annotated, Final, Literal, NamedTuple, TypeVar, assert_never

from pydantic import Field

from referrals.account import status
from referrals.account.status import ReferralStatus

V = TypeVar("V")
VerdictName = Literal["confirmed", "rejected", "reversed"]

REVERSIBLE: Final = 100
"""Newest confirmed referrals, which are stored in detail and can be reversed."""
REMEMBERED_REFUSALS: Final = 500
"""Newest rejected referrals, and as many reversed ones, that are remembered by their digests."""
REMEMBERED_ENDINGS: Final = 100
"""Newest released or expired reservations that are remembered by their status."""


@dataclass(frozen=True, slots=True)
class Referral:
    """Describe one person's use of one of the account's codes."""

    code: str
    invited_user: str
    network: str | None
    reserved_at: int
    status: Annotated[ReferralStatus, Field(discriminator="name")]

    @property
    def name(self) -> str:
        """The name of its status."""
        return self.status.name


class Confirmation(NamedTuple):
    """Describe a confirmed referral; times in UNIX seconds."""

    code: str
    invited_user: str
    reserved_at: int
    invited_id: str
    confirmed_at: int

    @property
    def referral(self) -> Referral:
        """The referral that was confirmed."""
        confirmed = status.Confirmed(self.invited_id, self.confirmed_at)
        return Referral(self.code, self.invited_user, None, self.reserved_at, confirmed)


class Past(NamedTuple):
    """Describe a referral that is over and not stored in detail any more."""

    name: str
    """Its status; `over` if the account does not remember how it ended."""
    person: str = ""
    """Digest of the invited person's id, if there was a verdict."""

    def is_of(self, invited_id: str) -> bool:
        """Return whether the verdict was about this person."""
        return self.person == short_digest(invited_id)


@dataclass(frozen=True, slots=True)
class Archive:
    """Remember verdicts: digest of the use id -> digest of the invited person's id."""

    confirmed: Mapping[str, str] = field(default_factory=dict)
    """Those that cannot be reversed any more; never more than the account has seats."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    reversed: Mapping[str, str] = field(default_factory=dict)

    def find(self, use_id: str) -> Past | None:
        """Return what is remembered of a referral."""
        key = short_digest(use_id)
        for name in ("confirmed", "rejected", "reversed"):
            if (person := getattr(self, name).get(key)) is not None:
                return Past(name, person)
        return None

    def with_verdict(self, use_id: str, name: VerdictName, invited_id: str) -> "Archive":
        """Return the archive with one more verdict; it forgets the oldest refusals."""
        persons = {
            **getattr(self, name),
            short_digest(use_id): short_digest(invited_id),
        }
        if name != "confirmed":
            persons = _newest(persons, REMEMBERED_REFUSALS)
        return replace(self, **{name: persons})


@dataclass(frozen=True, slots=True)
class Referrals:
    """Hold the referrals of one account; the mappings are in order of their last change."""

    open: Mapping[str, Referral] = field(default_factory=dict)
    """Use id -> referral that is reserved, delayed or held."""
    confirmed: Mapping[str, Confirmation] = field(default_factory=dict)
    """Use id -> confirmed referral, the newest `REVERSIBLE`."""
    ended: Mapping[str, str] = field(default_factory=dict)
    """Use id -> status of a reservation that was not used, the newest `REMEMBERED_ENDINGS`."""
    archive: Archive = field(default_factory=Archive)
    forgetful: bool = False
    """True once reservations may be forgotten: an unknown use id may be one of them."""

    @property
    def confirmations(self) -> int:
        """The number of confirmed referrals."""
        return len(self.confirmed) + len(self.archive.confirmed)

    @property
    def seats_taken(self) -> int:
        """The number of referrals that take a seat: all that are open or confirmed."""
        return len(self.open) + self.confirmations

    def find(self, use_id: str) -> Referral | Past | None:
        """Return a referral; None if the account never had one with this id."""
        if (remembered := self.remembered(use_id)) is not None:
            return remembered
        return Past("over") if self.forgetful else None

    def remembered(self, use_id: str) -> Referral | Past | None:
        """Return a referral if the account remembers what became of it."""
        if (detailed := self.detailed(use_id)) is not None:
            return detailed
        if (name := self.ended.get(use_id)) is not None:
            return Past(name)
        return self.archive.find(use_id)

    def detailed(self, use_id: str) -> Referral | None:
        """Return a referral that is stored in detail."""
        confirmed = self.confirmed.get(use_id)
        return self.open.get(use_id) if confirmed is None else confirmed.referral

    def others_detailed(self, but: str) -> list[Referral]:
        """Return the referrals that are stored in detail, all of which take a seat, but for one."""
        confirmed = [each.referral for use_id, each in self.confirmed.items() if use_id != but]
        return confirmed + [each for use_id, each in self.open.items() if use_id != but]

    def has_referred(self, invited_id: str) -> bool:
        """Return whether a referral of this person is confirmed, or was."""
        if any(each.invited_id == invited_id for each in self.confirmed.values()):
            return True
        person = short_digest(invited_id)
        return person in chain(self.archive.confirmed.values(), self.archive.reversed.values())

    def changed(self, use_id: str, after: Referral) -> "Referrals":
        """Return the referrals with this one as it is now."""
        rest = Referrals(
            open=_without(self.open, use_id),
            confirmed=_without(self.confirmed, use_id),
            ended=_without(self.ended, use_id),
            archive=self.archive,
            forgetful=self.forgetful,
        )
        match after.status:
            case status.Reserved() | status.Delayed() | status.Held():
                return replace(rest, open={**rest.open, use_id: after})
            case status.Confirmed() as verdict:
                confirmation = Confirmation(
                    after.code,
                    after.invited_user,
                    after.reserved_at,
                    verdict.invited_id,
                    verdict.confirmed_at,
                )
                return _with_confirmation(rest, use_id, confirmation)
            case status.Rejected() | status.Reversed() as verdict:
                return _with_refusal(rest, use_id, verdict)
            case status.Released() | status.Expired() as ending:
                return _with_ended(rest, use_id, ending.name)
            case _:
                assert_never(after.status)


def _with_confirmation(rest: Referrals, use_id: str, confirmation: Confirmation) -> Referrals:
    confirmed = {**rest.confirmed, use_id: confirmation}
    if len(confirmed) <= REVERSIBLE:
        return replace(rest, confirmed=confirmed)
    oldest = next(iter(confirmed))
    archive = rest.archive.with_verdict(oldest, "confirmed", confirmed.pop(oldest).invited_id)
    return replace(rest, confirmed=confirmed, archive=archive)


def _with_refusal(
    rest: Referrals, use_id: str, verdict: status.Rejected | status.Reversed
) -> Referrals:
    archive = rest.archive.with_verdict(use_id, verdict.name, verdict.invited_id)
    full = len(getattr(archive, verdict.name)) == REMEMBERED_REFUSALS
    return replace(rest, archive=archive, forgetful=rest.forgetful or full)


def _with_ended(rest: Referrals, use_id: str, name: str) -> Referrals:
    ended = {**rest.ended, use_id: name}
    forgetful = rest.forgetful or len(ended) > REMEMBERED_ENDINGS
    return replace(rest, ended=_newest(ended, REMEMBERED_ENDINGS), forgetful=forgetful)


def short_digest(text: str) -> str:
    """Return eight characters that stand for an id: 48 bits, among some thousands of ids."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return urlsafe_b64encode(digest).decode()


def _without(mapping: Mapping[str, V], key: str) -> Mapping[str, V]:
    if key not in mapping:
        return mapping
    rest = dict(mapping)
    del rest[key]
    return rest


def _newest(mapping: dict[str, V], count: int) -> dict[str, V]:
    """Drop what exceeds `count`, the oldest first."""
    while len(mapping) > count:
        del mapping[next(iter(mapping))]
    return mapping
