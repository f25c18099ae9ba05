"""The table of everything that is served under /v1."""

from contracts.messages import CommandOutcome
from contracts.referrals import ReferralValidity, UsersEntry
from gateway import endpoints as do
from gateway.http import Auth, Route
from gateway.parsing import Empty

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/me",
        "open_own_account",
        Auth.ID,
        do.write(Empty, do.open_own_account, do.tell_own_entry),
        summary="Open the own account and receive a referral code.",
        success=201,
        body=Empty,
        answer=UsersEntry,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/me",
        "get_me",
        Auth.ACCESS,
        do.get_me,
        summary="The own account: referral code, referrals and what is left of them.",
        answer=UsersEntry,
        problems=(404,),
    ),
    Route(
        "POST",
        "/v1/users",
        "create_user",
        Auth.SERVICE,
        do.write(do.NewUser, do.create_user, do.tell_entry),
        summary="Open an account for a person.",
        success=201,
        body=do.NewUser,
        answer=UsersEntry,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/referral/valid",
        "is_referral_valid",
        Auth.PUBLIC,
        do.is_referral_valid,
        summary="Whether a referral code can be used now.",
        query=do.CodeQuery,
        answer=ReferralValidity,
        problems=(400,),
    ),
    Route(
        "POST",
        "/v1/invites",
        "send_invite",
        Auth.ACCESS,
        do.write(do.NewInvite, do.send_invite, do.tell_invite),
        summary="Invite a person by e-mail.",
        success=202,
        body=do.NewInvite,
        problems=(409, 501),
    ),
    Route(
        "POST",
        "/v1/tokens/cluster/{chain}/{token_address}/refresh",
        "refresh_cluster_analysis",
        Auth.ACCESS,
        do.write(Empty, do.request_analysis, do.tell_analysis),
        summary="Ask for a new analysis of which wallets hold this token together.",
        success=202,
        body=Empty,
        problems=(409, 501),
    ),
    Route(
        "GET",
        "/v1/operations/{command_id}",
        "get_operation",
        Auth.ACCESS,
        do.get_operation,
        summary="What became of a request that was answered with 202.",
        answer=CommandOutcome,
        problems=(404,),
    ),
)
