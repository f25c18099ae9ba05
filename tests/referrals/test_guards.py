"""Guards: each sign against a referral, by itself."""

from dataclasses import replace

import pytest

from referrals.guards import RULES, Evidence, assess, band, is_disposable

DAY = 86_400
PLAIN = Evidence(
    at=100 * DAY,
    invited_id="bob",
    invited_user="bob@example.com",
    network="8.8.8.8",
    referrer_id="alice",
    referrer_email="alice@gmail.com",
    referrer_network="1.1.1.1",
    referrer_opened_at=100 * DAY - 60,
    referred_by=(),
    confirmed=0,
    reserved_at=(),
    other_users=(),
)


def signs(**changes: object) -> dict[str, int]:
    assessment = assess(RULES, replace(PLAIN, **changes))  # type: ignore[arg-type]
    return {component.name: component.points for component in assessment.components}


def test_a_plain_referral_has_no_signs_against_it() -> None:
    assert signs() == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"invited_id": "alice"}, {"same_account": 100}),
        ({"invited_user": "a.li.ce+x@googlemail.com"}, {"same_address": 100}),
        ({"referred_by": ("bob",)}, {"ring": 60}),
        ({"referred_by": ("dora", "bob")}, {"ring": 60}),
        ({"invited_user": "bob@mailinator.com"}, {"disposable_domain": 40}),
        ({"invited_user": "bob@inbox.mailinator.com"}, {"disposable_domain": 40}),
        ({"network": "1.1.1.1"}, {"same_network": 30}),
        ({"network": "1.1.1.200"}, {"near_network": 15}),
        ({"reserved_at": (100 * DAY - 9,) * 5}, {"velocity": 25}),
        (
            {"invited_user": "bob3@x.example", "other_users": ("bob1@x.example", "bob2@x.example")},
            {"sequential_names": 15},
        ),
        ({"referrer_opened_at": 60 * DAY, "confirmed": 3}, {"long_standing": -20}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_each_sign_has_the_points_of_the_rules(
    changes: dict[str, object], expected: dict[str, int]
) -> None:
    assert signs(**changes) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "127.0.0.1", "referrer_network": "127.0.0.1"},
        {"network": "10.0.0.7", "referrer_network": "10.0.0.7"},
        {"network": "unknown", "referrer_network": "unknown"},
        {"network": "1.1.1.1", "referrer_opened_at": 98 * DAY},
        {"reserved_at": (99 * DAY,) * 9},
        {"invited_user": "bob3@x.example", "other_users": ("bob1@x.example",)},
    ],
)
def test_weak_evidence_is_ignored(changes: dict[str, object]) -> None:
    assert signs(**changes) == {}


def test_campaigns_may_have_many_sign_ups_from_one_network() -> None:
    assert signs(referrer_email=None, reserved_at=(100 * DAY,) * 99, network="1.1.1.1") == {}


def test_a_score_is_between_0_and_100() -> None:
    worst = replace(PLAIN, invited_id="alice", invited_user="alice@gmail.com")
    assert assess(RULES, worst).score == 100
    best = replace(PLAIN, referrer_opened_at=0, confirmed=9)
    assert assess(RULES, best).score == 0


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0, "confirm"), (24, "confirm"), (25, "delay"), (59, "delay"), (60, "hold"), (90, "reject")],
)
def test_bands_begin_at_the_scores_of_the_rules(score: int, expected: str) -> None:
    assert band(RULES, score) == expected


def test_disposable_domains_are_recognised() -> None:
    assert is_disposable("x@guerrillamail.com")
    assert not is_disposable("x@gmail.com")
