"""Require that administrators do not decide for themselves (pure)."""

from chassis.decide.decider import Rejected
from referrals.account.referrals import Past, Referral
from referrals.account.state import OpenedAccount


def require_other_referral(account: OpenedAccount, referral: Referral | Past, by: str) -> None:
    """Check that an administrator is neither of the two people of a referral.

    Raises:
        Rejected: the administrator referred the person, or is the person.
    """
    if by == account.member_id or _is_of(referral, by):
        raise Rejected(
            "You cannot decide on a referral of your own. Ask another administrator to decide.",
            code="second_person_required",
            kind="forbidden",
        )


def require_other_account(account: OpenedAccount, by: str) -> None:
    """Check that an administrator does not change the quota of their account.

    Raises:
        Rejected: the account is the administrator's.
    """
    if by == account.member_id:
        raise Rejected(
            "You cannot change your own number of referrals. Ask another administrator to do it.",
            code="second_person_required",
            kind="forbidden",
        )


def _is_of(referral: Referral | Past, person: str) -> bool:
    if isinstance(referral, Past):
        return referral.is_of(person)
    return getattr(referral.status, "invited_id", None) == person
