"""What speaks against a referral: an additive score that explains itself (pure).

The rules are data with a version. A verdict keeps the version and every component, so that other
rules can be run over history before they are switched on (`what-if`).
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
    """How much each sign weighs, and what follows from the sum."""

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
    def _bands_in_order(self) -> "GuardRules":
        if not 0 < self.delay_from <= self.hold_from <= self.reject_from:
            raise ValueError("delay_from, hold_from and reject_from must grow")
        return self


RULES = GuardRules(version=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when a person confirms."""

    at: int
    invited_id: str
    invited_user: str
    network: str | None
    referrer_id: str
    referrer_email: str | None
    """None: a campaign of the team, of which many come at once and from one place."""
    referrer_network: str | None
    referrer_opened_at: int
    referrer_came_by: str | None
    confirmed: int
    """How many the referrer has brought already."""
    reserved_at: tuple[int, ...]
    """When the referrer's other seats were reserved."""
    other_users: tuple[str, ...]


def assess(rules: GuardRules, evidence: Evidence) -> Assessment:
    components = tuple(c for c in _components(rules, evidence) if c.points)
    score = max(0, min(100, sum(component.points for component in components)))
    return Assessment(
        rules_version=rules.version,
        score=score,
        band=band(rules, score),
        components=components,
    )


def band(rules: GuardRules, score: int) -> Band:
    if score >= rules.reject_from:
        return "reject"
    if score >= rules.hold_from:
        return "hold"
    return "delay" if score >= rules.delay_from else "confirm"


def disposable(address: str) -> bool:
    """Whether the address, or a domain that it lies under, is given out to be thrown away."""
    labels = address.rpartition("@")[2].lower().split(".")
    return any(".".join(labels[i:]) in blocklist for i in range(len(labels) - 1))


def _components(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    if disposable(evidence.invited_user):
        domain = evidence.invited_user.rpartition("@")[2]
        yield _component("disposable_domain", rules.disposable_domain, f"{domain} is thrown away")
    if evidence.referrer_email is not None:
        yield from _of_a_person(rules, evidence, evidence.referrer_email)


def _of_a_person(rules: GuardRules, evidence: Evidence, email: str) -> Iterator[ScoreComponent]:
    if evidence.invited_id == evidence.referrer_id:
        yield _component("same_account", rules.same_account, "referrer and invited are one account")
    if folded(evidence.invited_user) == folded(email):
        yield _component("same_address", rules.same_address, "the address is the referrer's own")
    if evidence.referrer_came_by == evidence.invited_id:
        yield _component("ring", rules.ring, "the referrer was referred by the invited person")
    yield from _networks(rules, evidence)
    yield from _habits(rules, evidence)


def _networks(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    """The referrer's network is that of the sign-up, which counts for a day."""
    theirs, own = _public(evidence.network), _public(evidence.referrer_network)
    if theirs is None or own is None or evidence.at - evidence.referrer_opened_at > DAY:
        return
    if theirs == own:
        yield _component("same_network", rules.same_network, "both came from one address")
    elif _near(theirs, own):
        yield _component("near_network", rules.near_network, "both came from one small network")


def _habits(rules: GuardRules, evidence: Evidence) -> Iterator[ScoreComponent]:
    recent = sum(evidence.at - at < HOUR for at in evidence.reserved_at) + 1
    if recent > rules.velocity_an_hour:
        yield _component("velocity", rules.velocity, f"{recent} within an hour")
    if _sequential(evidence.invited_user, evidence.other_users):
        yield _component("sequential_names", rules.sequential_names, "names that only count up")
    days = (evidence.at - evidence.referrer_opened_at) // DAY
    if days > rules.long_standing_days and evidence.confirmed >= rules.long_standing_confirmed:
        detail = f"a member for {days} days, {evidence.confirmed} referred"
        yield _component("long_standing", rules.long_standing, detail)


def _component(name: str, points: int, detail: str) -> ScoreComponent:
    return ScoreComponent(name=name, points=points, detail=detail)


def _public(network: str | None) -> Address | None:
    """None for what tells nothing: behind a proxy of ours, everybody comes from one address."""
    try:
        address = ip_address(network or "")
    except ValueError:
        return None
    return address if address.is_global else None


def _near(one: Address, other: Address) -> bool:
    """Within one /24, or one /48 of IPv6, of which a client's own /64 is all that is known."""
    prefix = 24 if isinstance(one, IPv4Address) else 48
    return other in ip_network((one.packed, prefix), strict=False)


def _sequential(address: str, others: Iterable[str]) -> bool:
    """bob1, bob2, bob3: at least two others that differ in nothing but a number."""
    pattern = _pattern(address)
    return pattern is not None and sum(_pattern(other) == pattern for other in others) > 1


def _pattern(address: str) -> str | None:
    local, _, domain = folded(address).rpartition("@")
    pattern = _DIGITS.sub("#", local)
    return f"{pattern}@{domain}" if pattern != local else None
