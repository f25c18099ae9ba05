"""Decide what other members see of a member on the leaderboards (pure)."""

from chassis.decide.decider import DecisionContext, Rejected
from contracts.referrals import AccountEvent, ClearDisplayName, ProfileSet, SetProfile
from contracts.rejections import UNKNOWN_ACCOUNT
from referrals.account.state import Member, OpenedAccount


def set_profile(
    account: OpenedAccount, command: SetProfile, context: DecisionContext
) -> list[AccountEvent]:
    """Set a member's name and visibility; setting the same again changes nothing.

    Raises:
        Rejected: the account belongs to a campaign, which is on no board.
    """
    changed = ProfileSet(
        member_id=command.member_id,
        display_name=command.display_name,
        on_boards=command.on_boards,
        set_at=context.at,
    )
    return _changed(_member(account), changed)


def clear_display_name(
    account: OpenedAccount, command: ClearDisplayName, context: DecisionContext
) -> list[AccountEvent]:
    """Remove a member's name, for an administrator; clearing none changes nothing.

    Raises:
        Rejected: the account belongs to a campaign, which is on no board.
    """
    member = _member(account)
    changed = ProfileSet(
        member_id=command.member_id,
        on_boards=member.on_boards,
        by=command.by,
        reason=command.reason,
        set_at=context.at,
    )
    return _changed(member, changed)


def _member(account: OpenedAccount) -> Member:
    if not isinstance(account, Member):
        raise Rejected(UNKNOWN_ACCOUNT, code="no_account", kind="not_found")
    return account


def _changed(member: Member, profile: ProfileSet) -> list[AccountEvent]:
    """Return the event, unless the member's profile is the same already."""
    if (member.display_name, member.on_boards) == (profile.display_name, profile.on_boards):
        return []
    return [profile]
