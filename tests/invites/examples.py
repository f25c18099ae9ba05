"""Provide the commands and events of one invitation, from which tests start."""

from chassis.decide.decider import DecisionContext
from contracts.invites import (
    InviteAccepted,
    InviteRequested,
    InviterRegistered,
    InviteSent,
    RecordFeedback,
    RequestInvite,
    SendingStarted,
    StartSending,
)
from tests.support.scenario import NOON

ID = "fedcba9876543210fedcba9876543210"
KEY, TOKEN, OTHER, OUT = "ab" * 32, "cd" * 32, "ef" * 32, "12" * 32
DAY = 86_400
EXPIRY = NOON.at + 14 * DAY

ALICE = InviterRegistered(member_id="alice", email="alice@example.com", registered_at=NOON.at)
REQUEST = RequestInvite(
    invite_id=ID, inviter_id="alice", email="bob@example.org", address_key=KEY, code="MVA00W4CZS"
)
REQUESTED = InviteRequested(
    invite_id=ID,
    inviter_id="alice",
    email="bob@example.org",
    address_key=KEY,
    code="MVA00W4CZS",
    requested_at=NOON.at,
    expires_at=EXPIRY,
)
START = StartSending(invite_id=ID, mail=1, token_hash=TOKEN, unsubscribe_hash=OUT)
STARTED = SendingStarted(
    invite_id=ID, mail=1, token_hash=TOKEN, unsubscribe_hash=OUT, started_at=NOON.at
)
SENT = InviteSent(invite_id=ID, mail=1, message_id="m-1", sent_at=NOON.at)
ACCEPTED = InviteAccepted(invite_id=ID, inviter_id="alice", accepted_at=NOON.at)
MAILED = (REQUESTED, STARTED, SENT)


def later(seconds: int) -> DecisionContext:
    return DecisionContext((NOON.at + seconds) * 1000, NOON.entropy)


def feedback(kind: str, name: str = "f-1", *, permanent: bool = False) -> RecordFeedback:
    return RecordFeedback.model_validate(
        {
            "inviteId": ID,
            "feedbackId": name,
            "kind": kind,
            "permanent": permanent,
            "at": NOON.at + 5,
        }
    )
