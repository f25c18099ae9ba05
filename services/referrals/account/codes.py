"""Decide how codes are issued, replaced and revoked, and which names can be chosen (pure)."""

from collections.abc import Callable

from chassis.decide.decider import DecisionContext, Rejected
from contracts import referral_code
from contracts.referrals import (
    AccountEvent,
    CodeIssued,
    CodeRevoked,
    IssueCode,
    RevokeCode,
    RotateCode,
)
from contracts.rejections import UNKNOWN_CODE
from referrals.account.state import Code, OpenedAccount

MAX_ACTIVE_CODES = 20
"""Codes per account that have not been revoked."""
MAX_CODES = 200
"""Codes per account, revoked ones included, which stay in the account for ever."""

Moderation = Callable[[str], str | None]
"""Validate a normalised name: return why it cannot be chosen (shown to the user), or None."""


def _normalised(*words: str) -> frozenset[str]:
    return frozenset(referral_code.vanity(word)[0] for word in words)


_OFFICIAL_WORDS = _normalised(
    "VOUCH", "ADMIN", "SUPPORT", "OFFICIAL", "SECURITY", "STAFF", "MODERATE", "SYSTEM"
)
"""Readers would take the owner of a name with such a word for a member of the team."""
_RESERVED_NAMES = _normalised(
    "TEAM", "ROOT", "HELP", "NULL", "NONE", "TEST", "CODE", "INVITE", "FREE"
)
_OFFENSIVE_WORDS = _normalised("FUCK", "SHIT", "CUNT", "NAZI", "HITLER", "PORN", "RAPIST")


def moderate_name(name: str) -> str | None:
    """Return why a name cannot be chosen: reserved, too official or offensive; None if it can."""
    if name in _RESERVED_NAMES:
        return "This name is reserved. Choose another one."
    if any(word in name for word in _OFFICIAL_WORDS):
        return "This name looks like one of our official codes. Choose another one."
    if any(word in name for word in _OFFENSIVE_WORDS):
        return "This name is not allowed. Choose another one."
    return None


def issue(
    account: OpenedAccount, command: IssueCode, context: DecisionContext, moderate: Moderation
) -> list[AccountEvent]:
    """Issue one more code: random, or with a chosen name."""
    if sum(not code.revoked for code in account.codes.values()) >= MAX_ACTIVE_CODES:
        raise Rejected(
            f"You already have {MAX_ACTIVE_CODES} active codes. Revoke one that you no longer "
            "need, then try again.",
            code="too_many_codes",
        )
    _check_total(account)
    require_future(command.expires_at, context)
    if command.kind == "vanity":
        code = choose(command.code, context, moderate)
        if code in account.codes:
            raise Rejected(
                "You have already used this code name. Choose another one.", code="code_taken"
            )
    else:
        code = referral_code.from_entropy(context.entropy)
    return [
        CodeIssued(
            member_id=command.member_id,
            code=code,
            issued_at=context.at,
            kind=command.kind,
            shown=command.shown if command.kind == "vanity" else None,
            max_uses=command.max_uses,
            expires_at=command.expires_at,
        )
    ]


def choose(name: str | None, context: DecisionContext, moderate: Moderation) -> str:
    """Return the normalised name if it can be chosen and is free.

    Raises:
        Rejected: the name is missing, does not pass moderation, or is taken.
    """
    if name is None:
        raise Rejected(
            "code: A code of the kind 'vanity' needs a name. Add the name that you want.",
            code="invalid_code",
            kind="invalid",
        )
    if (why := moderate(name)) is not None:
        raise Rejected(f"code: {why}", code="name_refused", kind="invalid")
    if claim(name) in context.taken:
        raise Rejected("This code name is taken. Choose another one.", code="code_taken")
    return name


def require_future(expires_at: int | None, context: DecisionContext) -> None:
    """Check that an expiry time, if there is one, lies in the future.

    Raises:
        Rejected: the time has passed.
    """
    if expires_at is not None and expires_at <= context.at:
        raise Rejected(
            "expiresAt: This time has already passed. Choose a time in the future.",
            code="invalid_expiry",
            kind="invalid",
        )


def rotate(
    account: OpenedAccount, command: RotateCode, context: DecisionContext
) -> list[AccountEvent]:
    """Replace a code by a random one with the same limits."""
    old = _find(account, command.code)
    if old.revoked:
        raise Rejected(
            "This code has already been revoked. Rotate an active code or create a new one.",
            code="code_revoked",
        )
    _check_total(account)
    code = referral_code.from_entropy(context.entropy)
    return [
        CodeIssued(
            member_id=command.member_id,
            code=code,
            issued_at=context.at,
            max_uses=old.max_uses,
            expires_at=old.expires_at,
        ),
        CodeRevoked(
            member_id=command.member_id,
            code=command.code,
            revoked_at=context.at,
            replaced_by=code,
        ),
    ]


def revoke(
    account: OpenedAccount, command: RevokeCode, context: DecisionContext
) -> list[AccountEvent]:
    """Revoke a code; revoking it again changes nothing."""
    if _find(account, command.code).revoked:
        return []
    return [
        CodeRevoked(
            member_id=command.member_id,
            code=command.code,
            revoked_at=context.at,
            by=command.by,
            reason=command.reason,
        )
    ]


def claim(code: str) -> str:
    """Return the claim of a code: it belongs to one account for ever, even once it is revoked."""
    return f"code#{code}"


def unknown_code() -> Rejected:
    """Return the rejection of a code that the account does not have."""
    return Rejected(
        UNKNOWN_CODE,
        code="not_found",
        kind="not_found",
    )


def _check_total(account: OpenedAccount) -> None:
    """Check that the account may have one more code.

    Raises:
        Rejected: it has had too many.
    """
    if len(account.codes) >= MAX_CODES:
        raise Rejected(
            f"You have had {MAX_CODES} codes, which is the limit. Share one of your active codes.",
            code="too_many_codes",
        )


def _find(account: OpenedAccount, code: str) -> Code:
    if (known := account.codes.get(code)) is None:
        raise unknown_code()
    return known
