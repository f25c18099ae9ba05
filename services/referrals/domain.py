"""Members: accounts, codes and quota, and who came by whom; and the days that were closed."""

from dataclasses import replace
from typing import assert_never

from chassis.decide.decider import Decider, DecisionContext, Rejected
from contracts import referral_code
from contracts.referrals import (
    DEFAULT_TOTAL_REFERRALS,
    TEAM_PREFIX,
    AccountOpened,
    ApproveReferral,
    CampaignOpened,
    CloseDay,
    CodeBrought,
    CodeIssued,
    CodeRevoked,
    ConfirmReferral,
    CreditReferred,
    CreditWithdrawn,
    DayClosed,
    GrantQuota,
    IssueCode,
    OpenAccount,
    OpenCampaign,
    QuotaGranted,
    RedeemReferral,
    ReferralCommand,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    ReferredCredited,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    RevokeCode,
    RotateCode,
    SettleReferrals,
    UseState,
    WithdrawCredit,
)
from referrals import codes, uses
from referrals.guards import RULES, GuardRules
from referrals.state import Code, Credit, Member, Use


def members(
    rules: GuardRules = RULES, moderation: codes.Moderation = codes.moderate
) -> Decider[Member, ReferralCommand, ReferralEvent]:
    """The decider under these rules."""

    def decide(  # noqa: PLR0911  one line for each command
        member: Member, command: ReferralCommand, moment: DecisionContext
    ) -> list[ReferralEvent]:
        match command:
            case OpenAccount():
                return _open(member, command, moment)
            case OpenCampaign():
                return _open_campaign(member, command, moment, moderation)
            case IssueCode():
                return codes.issue(member, command, moment, moderation)
            case RotateCode():
                return codes.rotate(member, command, moment)
            case RevokeCode():
                return codes.revoke(member, command, moment)
            case CreditReferred():
                return _credit(member, command, moment)
            case WithdrawCredit():
                return _withdraw(member, command, moment)
            case CloseDay():
                return _close_day(member, command, moment)
            case _:
                return _with_time(member, command, moment, rules)

    return Decider(Member(), decide, evolve, claims)


def evolve(member: Member, event: ReferralEvent) -> Member:  # noqa: C901, PLR0911, PLR0912  one line for each event
    match event:
        case AccountOpened():
            return replace(
                member,
                opened=True,
                email=event.email,
                network=event.network,
                opened_at=event.opened_at,
                total=event.total_referrals,
            )
        case CampaignOpened():
            return replace(
                member,
                opened=True,
                team=True,
                opened_at=event.opened_at,
                total=event.total_referrals,
            )
        case CodeIssued():
            code = Code(event.kind, event.max_uses, event.expires_at)
            return replace(member, codes={**member.codes, event.code: code})
        case CodeBrought():
            return member  # what comes of it is on the referrer's stream
        case CodeRevoked():
            code = replace(member.codes[event.code], revoked=True)
            return replace(member, codes={**member.codes, event.code: code})
        case QuotaGranted():
            return replace(member, total=event.total_referrals)
        case ReferralReserved():
            use = Use(
                code=event.code,
                invited_user=event.invited_user,
                network=event.network,
                reserved_at=event.reserved_at,
                expires_at=event.expires_at,
            )
            return replace(member, uses={**member.uses, event.use_id: use})
        case ReferralDelayed():
            member = _used(member, event.use_id, "delayed", event.delayed_at, event.invited_id)
            use = replace(member.uses[event.use_id], until=event.until)
            return replace(member, uses={**member.uses, event.use_id: use})
        case ReferralHeld():
            return _used(member, event.use_id, "held", event.held_at, event.invited_id)
        case ReferralConfirmed():
            return _used(member, event.use_id, "confirmed", event.confirmed_at, event.invited_id)
        case ReferralRejected():
            return _used(member, event.use_id, "rejected", event.rejected_at, event.invited_id)
        case ReferralReleased():
            return _used(member, event.use_id, "released", event.released_at)
        case ReferralExpired():
            return _used(member, event.use_id, "expired", event.expired_at)
        case ReferralReversed():
            return _used(member, event.use_id, "reversed", event.reversed_at, event.invited_id)
        case ReferredCredited():
            credit = Credit(event.referrer_id, event.use_id, event.credited_at)
            return replace(member, credit=credit)
        case CreditWithdrawn():
            return replace(member, credit=member.credit and replace(member.credit, withdrawn=True))
        case DayClosed():
            return replace(member, day_closed=True)
        case _:
            assert_never(event)


def claims(event: ReferralEvent) -> tuple[str, ...]:
    match event:
        case CodeIssued():
            return (codes.claim(event.code),)
        case ReferralConfirmed():
            return uses.claims(event)
        case _:
            return ()


_Timed = (
    ReserveReferral
    | RedeemReferral
    | ConfirmReferral
    | ReleaseReferral
    | SettleReferrals
    | GrantQuota
    | ApproveReferral
    | RejectReferral
    | ReverseReferral
)
"""What is decided on seats: after time has had its say, however late its messenger is."""


def _with_time(
    member: Member, command: _Timed, moment: DecisionContext, rules: GuardRules
) -> list[ReferralEvent]:
    if command.member_id is None:
        raise uses.not_usable()
    settled = uses.settle(command.member_id, member, moment)
    for event in settled:
        member = evolve(member, event)
    return [*settled, *_decide_on_seats(member, command, moment, rules)]


def _decide_on_seats(  # noqa: PLR0911  one line for each command
    member: Member, command: _Timed, moment: DecisionContext, rules: GuardRules
) -> list[ReferralEvent]:
    match command:
        case ReserveReferral():
            return uses.reserve(member, command, moment)
        case RedeemReferral():
            return _redeem(member, command, moment, rules)
        case ConfirmReferral():
            return uses.confirm(member, command, moment, rules)
        case ReleaseReferral():
            return uses.release(member, command, moment)
        case SettleReferrals():
            return []
        case GrantQuota():
            return _grant(member, command, moment)
        case ApproveReferral():
            return uses.approve(member, command, moment)
        case RejectReferral():
            return uses.reject(member, command, moment)
        case ReverseReferral():
            return uses.reverse(member, command, moment)
        case _:
            assert_never(command)


def _redeem(
    member: Member, command: RedeemReferral, moment: DecisionContext, rules: GuardRules
) -> list[ReferralEvent]:
    reserved = uses.reserve(member, command, moment)
    for event in reserved:
        member = evolve(member, event)
    confirmation = ConfirmReferral(
        member_id=command.member_id,
        use_id=command.use_id,
        invited_id=command.invited_id,
        network=command.network,
    )
    return [*reserved, *uses.confirm(member, confirmation, moment, rules)]


def _open(member: Member, command: OpenAccount, moment: DecisionContext) -> list[ReferralEvent]:
    if command.member_id.startswith(TEAM_PREFIX):
        raise Rejected(
            f"sub: no person's id begins with {TEAM_PREFIX}", code="invalid_sub", kind="invalid"
        )
    if member.opened:
        raise Rejected("this account has already been opened", code="account_exists")
    return [
        AccountOpened(
            member_id=command.member_id,
            email=command.email,
            total_referrals=DEFAULT_TOTAL_REFERRALS,
            opened_at=moment.at,
            network=command.network,
        ),
        CodeIssued(
            member_id=command.member_id,
            code=referral_code.from_entropy(moment.entropy),
            issued_at=moment.at,
        ),
        *_brought(command, moment),
    ]


def _brought(command: OpenAccount, moment: DecisionContext) -> list[ReferralEvent]:
    if command.referrer_id is None or command.referral_code is None:
        return []
    return [
        CodeBrought(
            member_id=command.member_id,
            referrer_id=command.referrer_id,
            code=command.referral_code,
            email=command.email,
            network=command.network,
            brought_at=moment.at,
        )
    ]


def _open_campaign(
    member: Member, command: OpenCampaign, moment: DecisionContext, moderation: codes.Moderation
) -> list[ReferralEvent]:
    if not command.member_id.startswith(TEAM_PREFIX):
        raise Rejected(
            f"id: a campaign's begins with {TEAM_PREFIX}", code="invalid_id", kind="invalid"
        )
    if member.opened:
        raise Rejected("there is a campaign of this name", code="campaign_exists")
    if command.expires_at is not None and command.expires_at <= moment.at:
        raise Rejected("expiresAt: lies in the past", code="invalid_expiry", kind="invalid")
    named = command.code is not None
    code = (
        codes.chosen(command.code, moment, moderation)
        if named
        else referral_code.from_entropy(moment.entropy)
    )
    return [
        CampaignOpened(
            member_id=command.member_id,
            total_referrals=command.total_referrals,
            opened_at=moment.at,
            by=command.by,
            reason=command.reason,
        ),
        CodeIssued(
            member_id=command.member_id,
            code=code,
            issued_at=moment.at,
            kind="vanity" if named else "random",
            shown=command.shown if named else None,
            expires_at=command.expires_at,
        ),
    ]


def _grant(member: Member, command: GrantQuota, moment: DecisionContext) -> list[ReferralEvent]:
    if not member.opened:
        raise Rejected("there is no such account", code="no_account", kind="not_found")
    if command.total_referrals < member.seated:
        raise Rejected(
            f"totalReferrals: {member.seated} are reserved or confirmed", code="quota_in_use"
        )
    if command.total_referrals == member.total:
        return []
    return [
        QuotaGranted(
            member_id=command.member_id,
            total_referrals=command.total_referrals,
            by=command.by,
            reason=command.reason,
            granted_at=moment.at,
        )
    ]


def _credit(
    member: Member, command: CreditReferred, moment: DecisionContext
) -> list[ReferralEvent]:
    if member.credit is not None:
        return []
    return [
        ReferredCredited(
            member_id=command.member_id,
            referrer_id=command.referrer_id,
            use_id=command.use_id,
            credited_at=moment.at,
        )
    ]


def _withdraw(
    member: Member, command: WithdrawCredit, moment: DecisionContext
) -> list[ReferralEvent]:
    credit = member.credit
    if credit is None or credit.withdrawn or credit.use_id != command.use_id:
        return []
    return [
        CreditWithdrawn(
            member_id=command.member_id,
            use_id=command.use_id,
            credited_at=credit.at,
            withdrawn_at=moment.at,
        )
    ]


def _close_day(member: Member, command: CloseDay, moment: DecisionContext) -> list[ReferralEvent]:
    if member.day_closed:
        return []
    return [
        DayClosed(
            board=command.board,
            day=command.day,
            members=sum(level.members for level in command.levels),
            levels=command.levels,
            first=command.first,
            closed_at=moment.at,
        )
    ]


def _used(
    member: Member,
    use_id: str,
    state: UseState,
    at: int,
    invited_id: str | None = None,
) -> Member:
    use = replace(member.uses[use_id], state=state, settled_at=at, invited_id=invited_id)
    return replace(member, uses={**member.uses, use_id: use})


MEMBERS = members()
