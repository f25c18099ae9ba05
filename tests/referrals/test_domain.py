from referrals.domain import MEMBERS, claims
from tests.referrals.examples import CODE, ISSUED, OPEN, OPENED
from tests.support.scenario import Scenario

member = Scenario(MEMBERS)


def test_opening_an_account_issues_its_code() -> None:
    member.when(OPEN).then(OPENED, ISSUED)


def test_an_account_is_opened_once() -> None:
    member.given(OPENED, ISSUED).when(OPEN).then_rejected("account_exists")


def test_a_code_is_claimed_for_its_member_alone() -> None:
    assert claims(ISSUED) == (f"code#{CODE}",)
    assert claims(OPENED) == ()
