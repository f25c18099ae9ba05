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
    ApproveReferral,
    Assessment,
    BoardLevel,
    BoardPlace,
    CampaignOpened,
    Case,
    CasesView,
    CloseDay,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    CodesView,
    CodeView,
    ConfirmReferral,
    CreditReferred,
    CreditWithdrawn,
    DayClosed,
    DueView,
    GrantQuota,
    IssueCode,
    MemberCommand,
    OpenAccount,
    OpenCampaign,
    QuotaGranted,
    RedeemReferral,
    Referral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    ReferralValidity,
    ReferredCredited,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    RevokeCode,
    RotateCode,
    ScoreComponent,
    SettleReferrals,
    UseCommand,
    UseEvent,
    UsersEntry,
    UsesView,
    UseView,
    WithdrawCredit,
)
from contracts.standing import (
    ChartPoint,
    ChartResponse,
    ChartsResponse,
    InviteChartResponse,
    InviteStatsResponse,
    LeaderboardPage,
    LeaderboardRow,
    LedgerEntry,
    LedgerPage,
    PointsView,
    StandingView,
    StatsMeta,
)

GOLDEN = Path(__file__).parent / "golden"
TOKEN = "0x" + "ab" * 20
AT = 1_800_000_000

CODE = "MVA00W4CZS"
USE = "0123456789abcdef0123456789abcdef"
BOB = "bob@example.com"
NETWORK = "192.0.2.7"
WHY = {"by": "root", "reason": "asked for by mail"}
COMPONENT = ScoreComponent(name="ring", points=60, detail="referred by the invited person")
ASSESSMENT = Assessment(rules_version=1, score=60, band="hold", components=(COMPONENT,))
LEVELS = (BoardLevel(points=100, members=2), BoardLevel(points=0, members=40))
PLACES = (BoardPlace(member_id="alice", display_name="a***@e***.com", points=100),)
CASE = Case(
    use_id=USE,
    invited_user=BOB,
    invited_id="bob",
    state="delayed",
    since=AT,
    until=AT + 60,
    assessment=ASSESSMENT,
)
ENTRY = LedgerEntry(
    delta=100,
    state="confirmed",
    reason="referral",
    cause="member-alice@4",
    use_id=USE,
    at=AT,
    settled_at=AT,
    rules_version=1,
)
POINT = ChartPoint(timestamp=AT, value=100)
CHART = ChartResponse(
    num_datapoints=1,
    timestamp_min=AT,
    timestamp_max=AT,
    value_min=100,
    value_max=100,
    data=(POINT,),
)
CHARTS = InviteChartResponse(points_chart=CHART, rank_chart=CHART)
META = StatsMeta(as_of=AT, window="24h", pending=0, position="member-alice@4")
ROW = LeaderboardRow(rank=1, display_name="a***@e***.com", points=100, is_me=True)
USE_VIEW = UseView(
    use_id=USE,
    invited_user="b***@e***.com",
    code=CODE,
    state="confirmed",
    reserved_at=AT,
    expires_at=AT + 60,
    settled_at=AT + 1,
    invited_id="bob",
)
CODE_VIEW = CodeView(code=CODE, shown="MVA00-W4CZS", kind="random", uses=1, max_uses=5)
OF_USE = {"member_id": "alice", "use_id": USE}

SAMPLES: tuple[Message, ...] = (
    OpenCampaign(
        member_id="team:spring",
        code="SPRING26",
        shown="SPRING26",
        total_referrals=500,
        expires_at=AT,
        **WHY,
    ),
    IssueCode(
        member_id="alice", kind="vanity", code="MOON", shown="MOON", max_uses=5, expires_at=AT
    ),
    RotateCode(member_id="alice", code=CODE),
    RevokeCode(member_id="alice", code=CODE, **WHY),
    ReserveReferral(member_id="alice", code=CODE, invited_user=BOB, network=NETWORK),
    RedeemReferral(
        member_id="alice", code=CODE, invited_user=BOB, invited_id="bob", network=NETWORK
    ),
    ConfirmReferral(**OF_USE, invited_id="bob", invited_user=BOB, network=NETWORK),
    ReleaseReferral(**OF_USE),
    SettleReferrals(member_id="alice"),
    GrantQuota(member_id="alice", total_referrals=20, **WHY),
    ApproveReferral(**OF_USE, **WHY),
    RejectReferral(**OF_USE, **WHY),
    ReverseReferral(**OF_USE, **WHY),
    CreditReferred(member_id="bob", referrer_id="alice", use_id=USE),
    WithdrawCredit(member_id="bob", use_id=USE),
    *LEVELS[:1],
    *PLACES,
    CloseDay(board="all", day="2027-01-15", levels=LEVELS, first=PLACES),
    CampaignOpened(member_id="team:spring", total_referrals=500, opened_at=AT, **WHY),
    CodeBrought(
        member_id="bob", referrer_id="alice", code=CODE, email=BOB, network=NETWORK, brought_at=AT
    ),
    CodeRevoked(member_id="alice", code=CODE, revoked_at=AT, replaced_by="0" * 10),
    QuotaGranted(member_id="alice", total_referrals=20, granted_at=AT, **WHY),
    COMPONENT,
    ASSESSMENT,
    ReferralReserved(
        **OF_USE,
        code=CODE,
        invited_user=BOB,
        network=NETWORK,
        reserved_at=AT,
        expires_at=AT + 60,
    ),
    ReferralConfirmed(
        **OF_USE,
        invited_id="bob",
        address_digest="ab" * 16,
        assessment=ASSESSMENT,
        confirmed_at=AT,
    ),
    ReferralDelayed(
        **OF_USE, invited_id="bob", assessment=ASSESSMENT, delayed_at=AT, until=AT + 60
    ),
    ReferralHeld(**OF_USE, invited_id="bob", assessment=ASSESSMENT, held_at=AT),
    ReferralRejected(
        **OF_USE, invited_id="bob", reason="not eligible", assessment=ASSESSMENT, rejected_at=AT
    ),
    ReferralReleased(**OF_USE, released_at=AT),
    ReferralExpired(**OF_USE, expired_at=AT),
    ReferralReversed(**OF_USE, invited_id="bob", confirmed_at=AT, reversed_at=AT + 60, **WHY),
    ReferredCredited(member_id="bob", referrer_id="alice", use_id=USE, credited_at=AT),
    CreditWithdrawn(member_id="bob", use_id=USE, credited_at=AT, withdrawn_at=AT + 60),
    DayClosed(board="all", day="2027-01-15", members=42, levels=LEVELS, first=PLACES, closed_at=AT),
    CODE_VIEW,
    CodesView(
        member_id="alice",
        opened=True,
        version=3,
        remaining=9,
        codes=(CODE_VIEW,),
        open_uses={USE: CODE},
    ),
    USE_VIEW,
    UsesView(member_id="alice", uses=(USE_VIEW,)),
    CASE,
    CasesView(member_id="alice", cases=(CASE,), reserved={USE: BOB}),
    DueView(member_id="alice", due={USE: AT}),
    ENTRY,
    PointsView(member_id="alice", since=AT, version=4, points=100, entries=(ENTRY,)),
    StandingView(
        member_id="alice",
        display_name="a***@e***.com",
        points=100,
        reached_at=AT,
        months={"2027-01": 100},
        reached_in={"2027-01": AT},
    ),
    POINT,
    CHART,
    CHARTS,
    META,
    InviteStatsResponse(
        points=100,
        points_difference=100,
        rank=1,
        total_rank=42,
        rank_difference=-3,
        invited=1,
        total_invites=10,
        invite_chart=CHARTS,
        meta=META,
    ),
    ChartsResponse(points=CHART),
    ROW,
    LeaderboardPage(board="all", as_of=AT, total=42, me=ROW, items=(ROW,)),
    LedgerPage(points=100, pending=0, items=(ENTRY,)),
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
    return classes - {Message, Command, Event, View, MemberCommand, UseCommand, UseEvent}


def is_tagged(cls: type[Message]) -> bool:
    return get_origin(cls.model_fields["type"].annotation) is Literal


def main() -> None:
    for sample in SAMPLES:
        path = GOLDEN / f"{type(sample).__name__}.json"
        if not path.exists():
            path.write_text(sample.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
