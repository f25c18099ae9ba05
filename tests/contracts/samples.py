"""Provide one sample of every message that is sent, stored or served.

`python -m tests.contracts.samples` writes a golden file for each message class that has none. The
sample of a new class is generated from its fields; one that is written below takes precedence.
Existing golden files are never rewritten: what was sent or stored once must stay readable.
"""

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Literal, get_origin

import contracts
from contracts.cluster_report import (
    ClusterChange,
    ClusterGraph,
    Distribution,
    Flag,
    Freshness,
    GraphEdge,
    GraphNode,
    HistoryPage,
    Holder,
    HoldersPage,
    ReportDiff,
    ReportMetrics,
    ServedReport,
)
from contracts.compute import (
    AnalysisCompleted,
    AnalysisFailed,
    AnalysisRequested,
    AnalysisRewound,
    AnalysisStarted,
    AnalysisView,
    CompleteAnalysis,
    FailAnalysis,
    Progress,
    RangeSynced,
    RecordRange,
    RequestAnalysis,
    RewindAnalysis,
    StartAnalysis,
)
from contracts.invites import (
    AcceptInvite,
    AddressSuppressed,
    BulkAdmitted,
    BulkResult,
    CloseInvite,
    DeclineInvite,
    GiveUpSending,
    Happening,
    InviteAccepted,
    InviteAdmitted,
    InviteBounced,
    InviteClosed,
    InviteComplained,
    InviteDeclined,
    InviteDelivered,
    InviteeReleased,
    InviteExpired,
    InviteReminded,
    InviteRequested,
    InviteResent,
    InviteRevoked,
    InviteRow,
    InviterRegistered,
    InviterView,
    InviteSent,
    InviteView,
    MailWithheld,
    PostponeSending,
    RecordFeedback,
    RecordSeat,
    RecordSent,
    RegisterInviter,
    ReleaseInvitee,
    RequestInvite,
    ResendInvite,
    ReservationWanted,
    RevokeInvite,
    RowRefused,
    SeatRefused,
    SeatReserved,
    SendingFailed,
    SendingPostponed,
    SendingStarted,
    SendInvite,
    SendInvites,
    StartSending,
    SuppressAddress,
    TendInvite,
    Unsubscribe,
    Unsubscribed,
)
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
from contracts.points import (
    ChartPoint,
    ChartResponse,
    ChartsResponse,
    InviteChartResponse,
    InviteStatsResponse,
    LeaderboardPage,
    LeaderboardRow,
    LedgerEntry,
    NumberedEntry,
    PointsView,
    StandingView,
    StatsMeta,
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
    UsersEntry,
    UsesSummary,
    UseView,
    WithdrawCredit,
)
from tests.contracts.generate import generate
from tests.support.reports import report, summary

GOLDEN = Path(__file__).parent / "golden"
TOKEN = "0x" + "ab" * 20
AT = 1_800_000_000

CODE = "MVA00W4CZS"
USE = "0123456789abcdef0123456789abcdef"
INVITE = "fedcba9876543210fedcba9876543210"
BLOCK = "0x" + "cd" * 32
REPORT = report(AT)
FRESH = Freshness(state="stale", age_seconds=7, job_id="analysis-1-0x1")
HOLDER = Holder(address="0xA", rank=1, amount="10", share=0.1, kind="eoa", cluster_id="c_1")
NODE = GraphNode(id="0xA", cluster_id="c_1", share=0.1, kind="eoa")
EDGE = GraphEdge(source="0xA", target="0xB", type="sweep", tx_hash=BLOCK)
METRICS_LINE = ReportMetrics.model_validate_json(summary(AT))
CHANGE = ClusterChange(id="c_1", change="grown", share_before=0.1, share_after=0.2)
PROGRESS = Progress(from_block=7, to_block=50, head=90, transfers=3)
DIGEST = "ab" * 32
INVITE_ROW = InviteRow(email="bob@example.com", note="join us", locale="de", row=2)
REFUSED = RowRefused(row=3, code="already_invited")
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

WRITTEN: tuple[Message, ...] = (
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
    UsesSummary(member_id="alice", reserved=1),
    CASE,
    CasesView(member_id="alice", cases=(CASE,), reserved={USE: BOB}),
    DueView(member_id="alice", due={USE: AT}),
    ENTRY,
    NumberedEntry(**ENTRY.model_dump(by_alias=False), number=1),
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
    INVITE_ROW,
    REFUSED,
    SendInvites(inviter_id="alice", job_id="job-1", rows=(INVITE_ROW,), name="Alice", code=CODE),
    CloseInvite(inviter_id="alice", invite_id=INVITE, ending="declined"),
    ReleaseInvitee(inviter_id="alice", invite_id=INVITE, email=BOB),
    RecordSeat(invite_id=INVITE, refused="code_not_usable"),
    RequestInvite(
        invite_id=INVITE,
        inviter_id="alice",
        inviter_email="alice@example.com",
        email=BOB,
        address_key=DIGEST,
        note="join us",
        locale="de",
        name="Alice",
        code=CODE,
    ),
    ResendInvite(invite_id=INVITE, inviter_id="alice"),
    RevokeInvite(invite_id=INVITE, inviter_id="alice"),
    AcceptInvite(invite_id=INVITE, token_hash=DIGEST),
    DeclineInvite(invite_id=INVITE, token_hash=DIGEST),
    Unsubscribe(invite_id=INVITE, token_hash=DIGEST),
    StartSending(
        invite_id=INVITE, mail=1, token_hash=DIGEST, unsubscribe_hash=DIGEST, withheld="bounce"
    ),
    RecordSent(invite_id=INVITE, mail=1, message_id="0102-ab"),
    PostponeSending(invite_id=INVITE, mail=1, because="Throttling"),
    GiveUpSending(invite_id=INVITE, mail=1, because="MessageRejected"),
    RecordFeedback(invite_id=INVITE, feedback_id="f-1", kind="bounced", permanent=True, at=AT),
    TendInvite(invite_id=INVITE),
    SuppressAddress(address_key=DIGEST, reason="bounce"),
    InviteAdmitted(
        inviter_id="alice",
        inviter_email="alice@example.com",
        invite_id=INVITE,
        email=BOB,
        note="join us",
        locale="de",
        name="Alice",
        code=CODE,
        admitted_at=AT,
    ),
    BulkAdmitted(
        inviter_id="alice", job_id="job-1", accepted=1, rejected=(REFUSED,), admitted_at=AT
    ),
    InviteClosed(inviter_id="alice", invite_id=INVITE, ending="expired", closed_at=AT),
    InviteeReleased(inviter_id="alice", invite_id=INVITE, email=BOB, released_at=AT),
    InviteRequested(
        invite_id=INVITE,
        inviter_id="alice",
        inviter_email="alice@example.com",
        email=BOB,
        address_key=DIGEST,
        note="join us",
        locale="de",
        name="Alice",
        code=CODE,
        requested_at=AT,
        expires_at=AT + 60,
    ),
    InviteResent(invite_id=INVITE, mail=2, resent_at=AT, expires_at=AT + 60),
    InviteReminded(invite_id=INVITE, mail=2, reminded_at=AT),
    SendingStarted(
        invite_id=INVITE,
        mail=1,
        token_hash=DIGEST,
        unsubscribe_hash=DIGEST,
        started_at=AT,
        again=True,
    ),
    InviteSent(invite_id=INVITE, mail=1, message_id="0102-ab", sent_at=AT),
    MailWithheld(invite_id=INVITE, mail=1, reason="unsubscribe", withheld_at=AT),
    SendingPostponed(
        invite_id=INVITE, mail=1, because="Throttling", postponed_at=AT, until=AT + 30
    ),
    SendingFailed(invite_id=INVITE, mail=1, because="MessageRejected", failed_at=AT),
    InviteDelivered(invite_id=INVITE, feedback_id="f-1", delivered_at=AT),
    InviteBounced(
        invite_id=INVITE, feedback_id="f-2", permanent=True, bounced_at=AT, address_key=DIGEST
    ),
    InviteComplained(invite_id=INVITE, feedback_id="f-3", complained_at=AT, address_key=DIGEST),
    Unsubscribed(invite_id=INVITE, unsubscribed_at=AT, address_key=DIGEST),
    InviteAccepted(invite_id=INVITE, inviter_id="alice", accepted_at=AT),
    ReservationWanted(invite_id=INVITE, inviter_id="alice", code=CODE, email=BOB, wanted_at=AT),
    SeatReserved(invite_id=INVITE, reserved_at=AT),
    SeatRefused(
        invite_id=INVITE, inviter_id="alice", email=BOB, code="code_not_usable", refused_at=AT
    ),
    InviteDeclined(invite_id=INVITE, inviter_id="alice", declined_at=AT),
    InviteRevoked(invite_id=INVITE, inviter_id="alice", revoked_at=AT),
    InviteExpired(invite_id=INVITE, inviter_id="alice", expired_at=AT),
    AddressSuppressed(address_key=DIGEST, reason="complaint", suppressed_at=AT),
    Happening(what="sent", at=AT),
    InviteView(
        invite_id=INVITE,
        inviter_id="alice",
        inviter_email="alice@example.com",
        email=BOB,
        inviter="Alice",
        code=CODE,
        state="sent",
        requested_at=AT,
        expires_at=AT + 60,
        timeline=(Happening(what="sent", at=AT),),
        token_hash=DIGEST,
        due_at=AT + 30,
    ),
    BulkResult(job_id="job-1", accepted=1, rejected=(REFUSED,)),
    RequestAnalysis(chain_id=1, token_address=TOKEN),
    AnalysisRequested(chain_id=1, token_address=TOKEN, requested_at=AT),
    StartAnalysis(
        chain_id=1,
        token_address=TOKEN,
        run=1,
        from_block=7,
        block=90,
        block_hash=BLOCK,
        block_timestamp=AT,
        finalized=True,
    ),
    AnalysisStarted(
        run=1,
        from_block=7,
        block=90,
        block_hash=BLOCK,
        block_timestamp=AT,
        finalized=True,
        started_at=AT,
    ),
    RecordRange(
        chain_id=1,
        token_address=TOKEN,
        run=1,
        from_block=7,
        to_block=50,
        block_hash=BLOCK,
        count=3,
        segment="1/token/7-50.npz",
    ),
    RangeSynced(
        run=1,
        from_block=7,
        to_block=50,
        block_hash=BLOCK,
        count=3,
        segment="1/token/7-50.npz",
        synced_at=AT,
    ),
    RewindAnalysis(chain_id=1, token_address=TOKEN, run=1, to_block=20),
    AnalysisRewound(run=1, to_block=20, transfers=0, rewound_at=AT),
    CompleteAnalysis(chain_id=1, token_address=TOKEN, run=1, num_clusters=2, largest_share=0.25),
    AnalysisCompleted(run=1, num_clusters=2, largest_share=0.25, completed_at=AT),
    FailAnalysis(
        chain_id=1, token_address=TOKEN, run=1, code="no_contract", detail="no code there"
    ),
    AnalysisFailed(run=1, code="no_contract", detail="no code there", failed_at=AT),
    PROGRESS,
    AnalysisView(chain_id=1, token_address=TOKEN, state="queued", requested_at=AT),
    REPORT,
    REPORT.as_of,
    REPORT.token,
    REPORT.supply,
    REPORT.clusters[0],
    REPORT.clusters[0].members[0],
    REPORT.clusters[0].evidence[0],
    REPORT.metrics,
    REPORT.metrics.per_address,
    REPORT.quality,
    Distribution(source="0xA", type="firstSource", recipients=60, share=0.1),
    Flag(code="largest_cluster_over_20pct", severity="high", severity_index=16, evidence="c_1"),
    ServedReport(**dict(REPORT), freshness=FRESH),
    FRESH,
    HOLDER,
    HoldersPage(computed_at=AT, items=(HOLDER,), next="1-2"),
    NODE,
    EDGE,
    ClusterGraph(computed_at=AT, nodes=(NODE,), edges=(EDGE,)),
    METRICS_LINE,
    HistoryPage(items=(METRICS_LINE,)),
    CHANGE,
    ReportDiff(before=REPORT.as_of, after=REPORT.as_of, share_moved=0.1, changes=(CHANGE,)),
)


def message_classes() -> set[type[Message]]:
    """Return every concrete message class of the contracts."""
    modules = [
        import_module(f"contracts.{m.name}") for m in pkgutil.iter_modules(contracts.__path__)
    ]
    classes = {
        cls
        for module in modules
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Message)
    }
    return {cls for cls in classes - {Message, View} if is_concrete(cls)}


def is_concrete(cls: type[Message]) -> bool:
    return not (issubclass(cls, Command | Event) and cls.model_fields["type"].is_required())


def is_tagged(cls: type[Message]) -> bool:
    return get_origin(cls.model_fields["type"].annotation) is Literal


def golden_file(cls: type[Message]) -> Path:
    return GOLDEN / f"{cls.__name__}.json"


def _unwritten() -> tuple[Message, ...]:
    """Return a sample of each class without a written one: the stored one, or a generated one."""
    classes = message_classes() - {type(sample) for sample in WRITTEN}
    return tuple(
        cls.model_validate_json(golden_file(cls).read_text())
        if golden_file(cls).exists()
        else generate(cls)
        for cls in sorted(classes, key=lambda cls: cls.__name__)
    )


SAMPLES: tuple[Message, ...] = (*WRITTEN, *_unwritten())


def main() -> None:
    for sample in SAMPLES:
        path = golden_file(type(sample))
        if not path.exists():
            path.write_text(sample.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
