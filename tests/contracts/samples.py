"""One sample of every message that is ever sent, stored or served.

`python -m tests.contracts.samples` writes the golden file of each new one; golden files that exist
are never rewritten, for what was sent or stored once must be readable for ever.
"""

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Literal, get_origin

import contracts
from contracts.compute import AnalysisRequested, AnalysisView, RequestAnalysis
from contracts.invites import InviterRegistered, InviterView, RegisterInviter, SendInvite
from contracts.messages import (
    Command,
    CommandOutcome,
    Event,
    Message,
    Metadata,
    Position,
    Rejection,
    View,
)
from contracts.referrals import (
    AccountOpened,
    CodeIssued,
    OpenAccount,
    Referral,
    ReferralValidity,
    UsersEntry,
)

GOLDEN = Path(__file__).parent / "golden"
TOKEN = "0x" + "ab" * 20
AT = 1_800_000_000

SAMPLES: tuple[Message, ...] = (
    Metadata(command_id="id", correlation_id="all", causation_id="why", actor="alice"),
    Position(stream="member-alice", version=2),
    Rejection(kind="conflict", code="account_exists", detail="this account exists"),
    CommandOutcome(
        command_id="id",
        command="OpenAccount",
        body_hash="0123",
        state="accepted",
        position=Position(stream="member-alice", version=2),
        actor="alice",
    ),
    OpenAccount(member_id="alice", email="alice@example.com"),
    AccountOpened(member_id="alice", email="alice@example.com", total_referrals=10, opened_at=AT),
    CodeIssued(member_id="alice", code="MVA00W4CZS", issued_at=AT),
    Referral(invited_user="b***@e***.com", timestamp=AT, confirmed=True),
    UsersEntry(
        user="alice@example.com",
        referral_code="MVA00-W4CZS",
        referrals=(Referral(invited_user="b***@e***.com", timestamp=AT, confirmed=True),),
        total_referrals=10,
        referrals_used=1,
        referrals_pending=0,
        referrals_remaining=9,
        referral_is_valid=True,
    ),
    ReferralValidity(valid=True),
    RegisterInviter(member_id="alice", email="alice@example.com"),
    SendInvite(inviter_id="alice", email="bob@example.com", note="join us"),
    InviterRegistered(member_id="alice", email="alice@example.com", registered_at=AT),
    InviterView(member_id="alice", registered_at=AT),
    RequestAnalysis(chain_id=1, token_address=TOKEN),
    AnalysisRequested(chain_id=1, token_address=TOKEN, requested_at=AT),
    AnalysisView(chain_id=1, token_address=TOKEN, state="queued", requested_at=AT),
)


def message_classes() -> set[type[Message]]:
    """Every concrete message class of the contracts."""
    modules = [
        import_module(f"contracts.{m.name}") for m in pkgutil.iter_modules(contracts.__path__)
    ]
    classes = {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Message)
    }
    return classes - {Message, Command, Event, View}


def is_tagged(cls: type[Message]) -> bool:
    return get_origin(cls.model_fields["type"].annotation) is Literal


def main() -> None:
    for sample in SAMPLES:
        path = GOLDEN / f"{type(sample).__name__}.json"
        if not path.exists():
            path.write_text(sample.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
