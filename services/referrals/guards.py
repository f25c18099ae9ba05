"""Assess a referral: an additive score of signs for and against it, with reasons (pure).

The rules are data with a version. An assessment stores the version and every component, so that
other rules can be applied to history before they take effect (`what-if`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from disposable_email_domains import blocklist
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.addresses import folded
from contracts.referrals import Assessment, Band, ScoreComponent

HOUR = 3_600
DAY = 24 * HOUR
Address = IPv4Address | IPv6Address
_DIGITS = re.compile(r"\d+")


class GuardRules(BaseModel):
    """Set the points of each sign, and the score from which each consequence follows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    same_account: int = 100
    same_address: int = 100
    ring: int = 60
    disposable_domain: int = 40
    same_network: int = 30
    near_network: int = 15
    velocity: int = 25
    velocity_an_hour: int = Field(5, ge=1)
    sequential_names: int = 15
    long_standing: int = -20
    long_standing_days: int = Field(30, ge=0)
    long_standing_confirmed: int = Field(3, ge=0)
    delay_from: int = 25
    hold_from: int = 60
    reject_from: int = 90
    delay_hours: int = Field(72, ge=1)

    @model_validator(mode="after")
    def _check_bands_in_order(self) -> "GuardRules":
        if not 0 < self.delay_from <= self.hold_from <= self.reject_from:
            raise ValueError("delay_from, hold_from and reject_from must be in ascending order")
        return self


RULES = GuardRules(version=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold the facts about a sign-up and its referrer; times in UNIX seconds."""

    at: int
    invited_id: str
    invited_user: str
    network: str | None
    referrer_id: str
    referrer_email: str | None
    """None for campaigns, where many sign-ups from one network are normal."""
    referrer_network: str | None
    referrer_opened_at: int
    referred_by: tuple[str, ...]
    """The member who referred the referrer, the one who referred that member, and so on."""
    confirmed: int
    """Number of confirmed referrals of the referrer."""
    reserved_at: tuple[int, ...]
    """Times at which the referrer's other seats were reserved."""
    other_users: tuple[str, ...]
    """Addresses of the referrer's other invited people."""


def assess(rules: GuardRules, evidence: Evidence) -> Assessment:
    """Return the score (0 to 100), the band that it falls into, and its components."""
    components = tuple(c for c in _components(rules, evidence) if c.points)
    score = max(0, min(100, sum(component.points for component in components)))
    return Assessment(
        rules_version=rules.version,
        score=score,
        band=band(rules, score),
        components=components,
    )


def band(rules: GuardRules, score: int) -> Band:
    """Return the consequence of a score."""
    if score >= rules.reject_from:
        return "reject"
    if score >= rules.hold_from:
        return "hold"
    return "delay" if score >= rules.delay_from else "confirm"


def is_disposable(address: str) -> bool:
    """Return whether an address belongs to a disposable e-mail domain or a subdomain of one."""
    labels = address.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[i:]) in blocklist for i in range(len(labels) - 1))


def _components(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    if is_disposable(evidence.invited_user):
        domain = evidence.invited_user.rpartition("@")[2]
        detail = f"{domain} is a disposable e-mail domain"
        yield _component("disposable_domain", rules.disposable_domain, detail)
    if evidence.referrer_email is not None:
        yield from _identity_signs(rules, evidence, evidence.referrer_email)
        yield from _network_signs(rules, evidence)
        yield from _behaviour_signs(rules, evidence)


def _identity_signs(rules: GuardRules, evidence: Evidence, email: str) -> Iterator[ScoreComponent]:
    if evidence.invited_id == evidence.referrer_id:
        detail = "the referrer and the invited person have the same account"
        yield _component("same_account", rules.same_account, detail)
    if folded(evidence.invited_user) == folded(email):
        detail = "the referrer and the invited person have the same address"
        yield _component("same_address", rules.same_address, detail)
    if evidence.invited_id in evidence.referred_by:
        yield _component("ring", rules.ring, _ring(evidence))


def _ring(evidence: Evidence) -> str:
    between = evidence.referred_by.index(evidence.invited_id)
    if not between:
        return "the referrer was referred by the invited person"
    return f"{between + 2} members would have referred each other in a ring"


def _network_signs(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    """Compare with the network of the referrer's sign-up, which is evidence for one day."""
    invited, referrer = _public(evidence.network), _public(evidence.referrer_network)
    if invited is None or referrer is None or evidence.at - evidence.referrer_opened_at > DAY:
        return
    if invited == referrer:
        detail = "both signed up from the same network address"
        yield _component("same_network", rules.same_network, detail)
    elif _is_near(invited, referrer):
        detail = "both signed up from the same small network"
        yield _component("near_network", rules.near_network, detail)


def _behaviour_signs(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    recent = sum(evidence.at - at < HOUR for at in evidence.reserved_at) + 1
    if recent > rules.velocity_an_hour:
        yield _component("velocity", rules.velocity, f"{recent} referrals within an hour")
    if _is_sequential(evidence.invited_user, evidence.other_users):
        detail = "the invited addresses differ only in a number"
        yield _component("sequential_names", rules.sequential_names, detail)
    days = (evidence.at - evidence.referrer_opened_at) // DAY
    if days > rules.long_standing_days and evidence.confirmed >= rules.long_standing_confirmed:
        detail = f"a member for {days} days with {evidence.confirmed} confirmed referrals"
        yield _component("long_standing", rules.long_standing, detail)


def _component(name: str, points: int, detail: str) -> ScoreComponent:
    return ScoreComponent(name=name, points=points, detail=detail)


def _public(network: str | None) -> Address | None:
    """Return a public network address; others are no evidence.

    Behind an unconfigured proxy, all requests come from one private address.
    """
    try:
        address = ip_address(network or "")
    except ValueError:
        return None
    return address if address.is_global else None


def _is_near(one: Address, other: Address) -> bool:
    """Return whether two addresses are in one /24, or in one /48 for IPv6.

    An IPv6 client is known by its /64 only.
    """
    prefix = 24 if isinstance(one, IPv4Address) else 48
    return other in ip_network((one.packed, prefix), strict=False)


def _is_sequential(address: str, others: Iterable[str]) -> bool:
    """Return whether at least two other addresses differ from this one only in a number."""
    pattern = _pattern(address)
    return pattern is not None and sum(_pattern(other) == pattern for other in others) > 1


def _pattern(address: str) -> str | None:
    local, _, domain = folded(address).rpartition("@")
    pattern = _DIGITS.sub("#", local)
    return f"{pattern}@{domain}" if pattern != local else None
