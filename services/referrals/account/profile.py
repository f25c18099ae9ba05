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
    if not isinstance(account, Member):
        raise Rejected(UNKNOWN_ACCOUNT, code="no_account", kind="not_found")
    if (account.display_name, account.on_boards) == (command.display_name, command.on_boards):
        return []
    return [
        ProfileSet(
            member_id=command.member_id,
            display_name=command.display_name,
            on_boards=command.on_boards,
            set_at=context.at,
        )
    ]


def clear_display_name(
    account: OpenedAccount, command: ClearDisplayName, context: DecisionContext
) -> list[AccountEvent]:
    """Remove a member's name, for an administrator; clearing none changes nothing.

    Raises:
        Rejected: the account belongs to a campaign, which is on no board.
    """
    if not isinstance(account, Member):
        raise Rejected(UNKNOWN_ACCOUNT, code="no_account", kind="not_found")
    if account.display_name is None:
        return []
    return [
        ProfileSet(
            member_id=command.member_id,
            on_boards=account.on_boards,
            by=command.by,
            reason=command.reason,
            set_at=context.at,
        )
    ]
