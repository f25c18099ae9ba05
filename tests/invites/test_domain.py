from contracts.invites import InviterRegistered, RegisterInviter, SendInvite
from invites.domain import INVITERS
from tests.support.scenario import NOON, Scenario

inviter = Scenario(INVITERS)

REGISTER = RegisterInviter(member_id="alice", email="alice@example.com")
REGISTERED = InviterRegistered(member_id="alice", email="alice@example.com", registered_at=NOON.at)
SEND = SendInvite(inviter_id="alice", email="bob@example.com")


def test_an_opened_account_makes_an_inviter() -> None:
    inviter.when(REGISTER).then(REGISTERED)


def test_hearing_of_an_account_twice_changes_nothing() -> None:
    inviter.given(REGISTERED).when(REGISTER).then_nothing()


def test_nobody_invites_without_an_account() -> None:
    inviter.when(SEND).then_rejected("no_account")


def test_an_invitation_that_cannot_be_sent_is_refused_and_not_kept() -> None:
    inviter.given(REGISTERED).when(SEND).then_rejected("not_implemented")
