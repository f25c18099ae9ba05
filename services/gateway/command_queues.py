"""Which service decides on which command."""

from collections.abc import Mapping
from typing import Final

from chassis.bus.commands import commands_queue
from contracts.compute import RequestAnalysis
from contracts.invites import (
    AcceptInvite,
    DeclineInvite,
    ResendInvite,
    RevokeInvite,
    SendInvite,
    SendInvites,
    Unsubscribe,
)
from contracts.messages import Command
from contracts.referrals import (
    ApproveReferral,
    ConfirmReferral,
    GrantQuota,
    IssueCode,
    OpenAccount,
    OpenCampaign,
    RejectReferral,
    ReleaseReferral,
    ReserveReferral,
    ReverseReferral,
    RevokeCode,
    RotateCode,
)

SERVICES: Final[Mapping[type[Command], str]] = {
    **dict.fromkeys(
        (
            OpenAccount,
            OpenCampaign,
            IssueCode,
            RotateCode,
            RevokeCode,
            ReserveReferral,
            ConfirmReferral,
            ReleaseReferral,
            GrantQuota,
            ApproveReferral,
            RejectReferral,
            ReverseReferral,
        ),
        "referrals",
    ),
    **dict.fromkeys(
        (
            SendInvite,
            SendInvites,
            ResendInvite,
            RevokeInvite,
            AcceptInvite,
            DeclineInvite,
            Unsubscribe,
        ),
        "invites",
    ),
    RequestAnalysis: "compute",
}


def command_queues(stack: str) -> dict[type[Command], str]:
    """Command class -> name of its queue."""
    return {command: commands_queue(stack, service) for command, service in SERVICES.items()}
