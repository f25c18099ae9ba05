"""How codes are issued, replaced and ended, and which names may be chosen (pure)."""

from collections.abc import Callable

from chassis.decide.decider import DecisionContext, Rejected
from contracts import referral_code
from contracts.referrals import (
    CodeIssued,
    CodeRevoked,
    IssueCode,
    ReferralEvent,
    RevokeCode,
    RotateCode,
)
from referrals.state import Member

MOST_CODES = 20
"""Codes of one member that have not been revoked."""

Moderation = Callable[[str], str | None]
"""Why a name may not be chosen, in words for the person who chose it; None: it may."""


def _compared(*words: str) -> frozenset[str]:
    return frozenset(referral_code.vanity(word)[0] for word in words)


_OURS = _compared(
    "VOUCH", "ADMIN", "SUPPORT", "OFFICIAL", "SECURITY", "STAFF", "MODERATE", "SYSTEM"
)
"""Whoever reads such a name takes its owner for one of the team."""
_RESERVED = _compared("TEAM", "ROOT", "HELP", "NULL", "NONE", "TEST", "CODE", "INVITE", "FREE")
_FOUL = _compared("FUCK", "SHIT", "CUNT", "NAZI", "HITLER", "PORN", "RAPIST")


def moderate(name: str) -> str | None:
    """The usual moderation: names of ours, reserved words and foul ones; `name` is as compared."""
    if name in _RESERVED:
        return "this name is reserved"
    if any(word in name for word in _OURS):
        return "this name would look like one of ours"
    if any(word in name for word in _FOUL):
        return "this name cannot be given"
    return None


def issue(
    member: Member, command: IssueCode, moment: DecisionContext, moderation: Moderation
) -> list[ReferralEvent]:
    _check_open(member)
    if sum(not code.revoked for code in member.codes.values()) >= MOST_CODES:
        raise Rejected(
            f"{MOST_CODES} codes at a time; revoke one that is not needed", code="too_many_codes"
        )
    if command.expires_at is not None and command.expires_at <= moment.at:
        raise Rejected("expiresAt: lies in the past", code="invalid_expiry", kind="invalid")
    code = referral_code.from_entropy(moment.entropy)
    if command.kind == "vanity":
        code = chosen(command.code, moment, moderation)
        if code in member.codes:
            raise Rejected("this name was your own code before", code="code_taken")
    return [
        CodeIssued(
            member_id=command.member_id,
            code=code,
            issued_at=moment.at,
            kind=command.kind,
            shown=command.shown if command.kind == "vanity" else None,
            max_uses=command.max_uses,
            expires_at=command.expires_at,
        )
    ]


def chosen(name: str | None, moment: DecisionContext, moderation: Moderation) -> str:
    """A name that may be chosen and that nobody has.

    Raises:
        Rejected: it is not, in words.
    """
    if name is None:
        raise Rejected("code: a vanity code needs a name", code="invalid_code", kind="invalid")
    if (why := moderation(name)) is not None:
        raise Rejected(f"code: {why}", code="name_refused", kind="invalid")
    if claim(name) in moment.taken:
        raise Rejected("this code is taken; choose another name", code="code_taken")
    return name


def rotate(member: Member, command: RotateCode, moment: DecisionContext) -> list[ReferralEvent]:
    old = member.codes.get(command.code)
    if old is None:
        raise unknown()
    if old.revoked:
        raise Rejected("this code has been revoked before", code="code_revoked")
    code = referral_code.from_entropy(moment.entropy)
    return [
        CodeIssued(
            member_id=command.member_id,
            code=code,
            issued_at=moment.at,
            max_uses=old.max_uses,
            expires_at=old.expires_at,
        ),
        CodeRevoked(
            member_id=command.member_id,
            code=command.code,
            revoked_at=moment.at,
            replaced_by=code,
        ),
    ]


def revoke(member: Member, command: RevokeCode, moment: DecisionContext) -> list[ReferralEvent]:
    known = member.codes.get(command.code)
    if known is None:
        raise unknown()
    if known.revoked:
        return []
    return [
        CodeRevoked(
            member_id=command.member_id,
            code=command.code,
            revoked_at=moment.at,
            by=command.by,
            reason=command.reason,
        )
    ]


def claim(code: str) -> str:
    """A code belongs to one member for ever: a revoked one must not come back as another's."""
    return f"code#{code}"


def unknown() -> Rejected:
    return Rejected("there is no such code among yours", code="not_found", kind="not_found")


def _check_open(member: Member) -> None:
    if not member.opened:
        raise Rejected("open the account first", code="no_account", kind="not_found")
