"""How a seat is reserved, taken, held, turned down and given back (pure)."""

from chassis.decide.decider import DecisionContext, Rejected
from contracts.addresses import digest, folded
from contracts.referrals import (
    ApproveReferral,
    Assessment,
    ConfirmReferral,
    RedeemReferral,
    ReferralConfirmed,
    ReferralDelayed,
    ReferralEvent,
    ReferralExpired,
    ReferralHeld,
    ReferralRejected,
    ReferralReleased,
    ReferralReserved,
    ReferralReversed,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
)
from referrals.guards import HOUR, Evidence, GuardRules, assess
from referrals.state import Member, Use

RESERVED_SECONDS = 30 * 60
MOST_AT_ONCE = 4
"""Delayed uses that come true in one commit: each may turn out to be lost, at one try each."""
NOT_ELIGIBLE = "not eligible"
REFERRED_BEFORE = "referred by somebody else before"


def settle(member_id: str, member: Member, moment: DecisionContext) -> list[ReferralEvent]:
    """What time has decided by now."""
    due = {name: use for name, use in member.uses.items() if use.due(moment.at)}
    true = [name for name, use in due.items() if use.state == "delayed"]
    return [
        *(
            ReferralExpired(member_id=member_id, use_id=name, expired_at=moment.at)
            for name, use in due.items()
            if use.state == "reserved"
        ),
        *(_come_true(member_id, member, name, moment) for name in true[:MOST_AT_ONCE]),
    ]


def reserve(
    member: Member, command: ReserveReferral | RedeemReferral, moment: DecisionContext
) -> list[ReferralEvent]:
    """One refusal for all reasons: who guesses codes learns nothing from it."""
    if command.member_id is None or not member.opened:
        raise not_usable()
    earlier = member.uses.get(command.use_id)
    if earlier is not None and earlier.seated:
        return []  # asking twice is the same success
    barred = earlier is not None and earlier.state in ("rejected", "reversed")
    if barred or not member.usable(command.code, moment.at):
        raise not_usable()
    return [
        ReferralReserved(
            member_id=command.member_id,
            use_id=command.use_id,
            code=command.code,
            invited_user=command.invited_user,
            network=command.network,
            reserved_at=moment.at,
            expires_at=moment.at + RESERVED_SECONDS,
        )
    ]


def confirm(
    member: Member, command: ConfirmReferral, moment: DecisionContext, rules: GuardRules
) -> list[ReferralEvent]:
    use = _known(member, command.use_id)
    verified = command.invited_user
    if verified is not None and folded(verified) != folded(use.invited_user):
        raise unknown()  # somebody else's
    if use.state in ("released", "expired"):
        raise Rejected(
            "the reservation has ended; use the code again", code="reservation_ended", kind="gone"
        )
    if use.state != "reserved":
        if use.invited_id == command.invited_id:
            return []  # asking twice is the same success
        raise Rejected("another account has taken this seat", code="seat_taken")
    assessment = assess(rules, evidence(member, command, moment.at))
    return [_verdict(member, command, assessment, moment, rules)]


def release(
    member: Member, command: ReleaseReferral, moment: DecisionContext
) -> list[ReferralEvent]:
    use = _known(member, command.use_id)
    if use.state in ("released", "expired"):
        return []
    if use.state != "reserved":
        raise Rejected("only a reserved seat can be given back", code="not_reserved")
    return [
        ReferralReleased(member_id=command.member_id, use_id=command.use_id, released_at=moment.at)
    ]


def approve(
    member: Member, command: ApproveReferral, moment: DecisionContext
) -> list[ReferralEvent]:
    use = _known(member, command.use_id)
    if use.state == "confirmed":
        return []
    if use.state not in ("held", "delayed") or use.invited_id is None:
        raise Rejected(f"this referral is {use.state}, not held", code="not_held")
    if _lost(member, command.use_id, use.invited_id, moment):
        raise Rejected(f"the person was {REFERRED_BEFORE}", code="referred_before")
    return [
        ReferralConfirmed(
            member_id=command.member_id,
            use_id=command.use_id,
            invited_id=use.invited_id,
            address_digest=digest(use.invited_user),
            by=command.by,
            reason=command.reason,
            confirmed_at=moment.at,
            team=member.team,
        )
    ]


def reject(member: Member, command: RejectReferral, moment: DecisionContext) -> list[ReferralEvent]:
    use = _known(member, command.use_id)
    if use.state == "rejected":
        return []
    if use.state not in ("held", "delayed") or use.invited_id is None:
        raise Rejected(f"this referral is {use.state}, not held", code="not_held")
    return [
        ReferralRejected(
            member_id=command.member_id,
            use_id=command.use_id,
            invited_id=use.invited_id,
            reason=command.reason,
            by=command.by,
            rejected_at=moment.at,
        )
    ]


def reverse(
    member: Member, command: ReverseReferral, moment: DecisionContext
) -> list[ReferralEvent]:
    use = _known(member, command.use_id)
    if use.state == "reversed":
        return []
    if use.state != "confirmed" or use.invited_id is None:
        raise Rejected(f"this referral is {use.state}, not confirmed", code="not_confirmed")
    return [
        ReferralReversed(
            member_id=command.member_id,
            use_id=command.use_id,
            invited_id=use.invited_id,
            by=command.by,
            reason=command.reason,
            confirmed_at=use.settled_at,
            reversed_at=moment.at,
        )
    ]


def claims(event: ReferralConfirmed) -> tuple[str, ...]:
    """A person is referred once, whichever spelling of the address: the first to confirm wins."""
    return (f"invited#{event.invited_id}", f"address#{event.address_digest}")


def evidence(member: Member, command: ConfirmReferral, at: int) -> Evidence:
    """What stands for and against a confirmation, before it is decided."""
    use = member.uses[command.use_id]
    others = [
        other for name, other in member.uses.items() if name != command.use_id and other.seated
    ]
    return Evidence(
        at=at,
        invited_id=command.invited_id,
        invited_user=use.invited_user,
        network=command.network or use.network,
        referrer_id=command.member_id,
        referrer_email=member.email,
        referrer_network=member.network,
        referrer_opened_at=member.opened_at,
        referrer_came_by=member.credit.referrer_id if member.credit else None,
        confirmed=sum(other.state == "confirmed" for other in others),
        reserved_at=tuple(other.reserved_at for other in others),
        other_users=tuple(other.invited_user for other in others),
    )


def not_usable() -> Rejected:
    return Rejected("this referral code cannot be used", code="code_not_usable")


def unknown() -> Rejected:
    return Rejected("there is no such use of a code", code="not_found", kind="not_found")


def _known(member: Member, use_id: str) -> Use:
    if (use := member.uses.get(use_id)) is None:
        raise unknown()
    return use


def _come_true(
    member_id: str, member: Member, use_id: str, moment: DecisionContext
) -> ReferralEvent:
    """The end of a delay: confirmed, unless somebody else's confirmation came first."""
    use = member.uses[use_id]
    invited_id = use.invited_id or ""
    if _lost(member, use_id, invited_id, moment):
        return _lost_to_another(member_id, use_id, invited_id, None, moment)
    return ReferralConfirmed(
        member_id=member_id,
        use_id=use_id,
        invited_id=invited_id,
        address_digest=digest(use.invited_user),
        confirmed_at=moment.at,
        team=member.team,
    )


def _verdict(
    member: Member,
    command: ConfirmReferral,
    assessment: Assessment,
    moment: DecisionContext,
    rules: GuardRules,
) -> ReferralEvent:
    at, member_id, use_id = moment.at, command.member_id, command.use_id
    if _lost(member, use_id, command.invited_id, moment):
        return _lost_to_another(member_id, use_id, command.invited_id, assessment, moment)
    match assessment.band:
        case "confirm":
            return ReferralConfirmed(
                member_id=member_id,
                use_id=use_id,
                invited_id=command.invited_id,
                network=command.network,
                address_digest=digest(member.uses[use_id].invited_user),
                assessment=assessment,
                confirmed_at=at,
                team=member.team,
            )
        case "delay":
            return ReferralDelayed(
                member_id=member_id,
                use_id=use_id,
                invited_id=command.invited_id,
                network=command.network,
                assessment=assessment,
                delayed_at=at,
                until=at + rules.delay_hours * HOUR,
            )
        case "hold":
            return ReferralHeld(
                member_id=member_id,
                use_id=use_id,
                invited_id=command.invited_id,
                network=command.network,
                assessment=assessment,
                held_at=at,
            )
        case "reject":
            return ReferralRejected(
                member_id=member_id,
                use_id=use_id,
                invited_id=command.invited_id,
                network=command.network,
                reason=NOT_ELIGIBLE,
                assessment=assessment,
                rejected_at=at,
            )


def _lost(member: Member, use_id: str, invited_id: str, moment: DecisionContext) -> bool:
    """Whether another confirmation came first: of another referrer, or of another address."""
    wanted = {f"invited#{invited_id}", f"address#{digest(member.uses[use_id].invited_user)}"}
    return not wanted.isdisjoint(moment.taken) or any(
        other.invited_id == invited_id and other.state in ("confirmed", "reversed")
        for name, other in member.uses.items()
        if name != use_id
    )


def _lost_to_another(
    member_id: str,
    use_id: str,
    invited_id: str,
    assessment: Assessment | None,
    moment: DecisionContext,
) -> ReferralRejected:
    return ReferralRejected(
        member_id=member_id,
        use_id=use_id,
        invited_id=invited_id,
        reason=REFERRED_BEFORE,
        assessment=assessment,
        rejected_at=moment.at,
    )
