"""The demo's expired invitation was sent first, whatever the running service does meanwhile."""

from contracts.invites import InviteExpired, InviteRequested, InviteSent, SendingStarted
from deploy.local.past import Clock
from deploy.local.seed_expired import commands, with_mail
from invites.domain import INVITES
from invites.tokens import Tokens


def test_the_invitation_is_requested_and_sent_in_one_commit() -> None:
    """In between, the service's schedule would find that it has expired, and refuse the mail."""
    tokens, clock = Tokens(b"k" * 32), Clock()
    decider, state, commits = with_mail(INVITES, tokens), INVITES.initial, []
    for days_ago, command in commands(tokens, "alice", "alice@example.com")[1:]:
        clock.days_ago = days_ago
        events = decider.decide(state, command, clock.context())
        state = decider.fold(events, state)
        commits.append([type(event) for event in events])
    assert commits == [[InviteRequested, SendingStarted, InviteSent], [InviteExpired]]
