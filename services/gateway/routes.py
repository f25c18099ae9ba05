"""The table of everything that is served under /v1."""

from contracts.referrals import ReferralValidity, UsersEntry
from gateway.api.cluster_routes import CLUSTER_ROUTES
from gateway.api.code_guesses import CodeQuery, is_referral_valid
from gateway.api.invitation_routes import INVITE_ROUTES
from gateway.api.referral_routes import REFERRAL_ROUTES
from gateway.api.token_revocation import NewRevocation, RevocationView, revoke
from gateway.http import endpoints as do
from gateway.http.requests import Empty
from gateway.http.routing import Auth, Route
from gateway.http.sse import stream_me

ROUTES: tuple[Route, ...] = (
    Route(
        "POST",
        "/v1/me",
        "open_own_account",
        Auth.ID,
        do.write(Empty, do.open_own_account, do.tell_own_entry),
        summary="Open the own account and receive a referral code.",
        limits=("writes", "accounts"),
        success=201,
        body=Empty,
        answer=UsersEntry,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/me",
        "get_me",
        Auth.PERSON,
        do.get_me,
        summary="The own account: referral code, referrals and what is left of them.",
        limits=("reads",),
        own=do.MEMBERS,
        conditional=True,
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
        limits=("services",),
        success=201,
        body=do.NewUser,
        example={"sub": "8a1c2f34-0b7e-4c55-9a53-6d1f0e7b2c11", "user": "alice@example.com"},
        answer=UsersEntry,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/referral/valid",
        "is_referral_valid",
        Auth.OPTIONAL,
        is_referral_valid,
        summary="Whether a referral code can be used now.",
        limits=("guesses-minute", "guesses-day", "guesses-person"),
        query=CodeQuery,
        example={"referral_code": "00000-00000"},
        answer=ReferralValidity,
        problems=(400,),
    ),
    Route(
        "GET",
        "/v1/operations/{command_id}",
        "get_operation",
        Auth.CALLER,
        do.get_operation,
        summary="What became of a request that was answered with 202.",
        limits=("reads",),
        later=True,
        answer=do.Operation,
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/me/events",
        "stream_me",
        Auth.PERSON,
        stream_me,
        summary="The own account, now and whenever it changes (server-sent events).",
        limits=("reads",),
        streams=True,
    ),
    Route(
        "POST",
        "/v1/admin/revocations",
        "revoke_tokens",
        Auth.ADMIN,
        revoke,
        summary="Call tokens back: one, those of a sign-in, or all of a person.",
        limits=("admin",),
        success=201,
        direct=True,
        body=NewRevocation,
        example={"sub": "8a1c2f34-0b7e-4c55-9a53-6d1f0e7b2c11"},
        answer=RevocationView,
    ),
    *REFERRAL_ROUTES,
    *INVITE_ROUTES,
    *CLUSTER_ROUTES,
)
