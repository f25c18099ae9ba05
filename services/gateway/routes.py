"""Index every route under /v1, and assemble the features that serve them."""

from collections.abc import Iterator
from typing import Any

from contracts.referrals import ReferralValidity
from gateway.api import accounts, operations
from gateway.api.cluster_routes import CLUSTER_ROUTES
from gateway.api.code_guesses import CodeQuery, is_referral_valid
from gateway.api.invitation_routes import INVITE_ROUTES
from gateway.api.referral_routes import REFERRAL_ROUTES
from gateway.api.token_revocation import NewRevocation, RevocationView, revoke
from gateway.dependencies import Dependencies
from gateway.http.endpoints import legacy_route
from gateway.http.routing import Auth, BoundRoute, Route, bound

LEGACY: tuple[Route[Any], ...] = (
    legacy_route(
        "GET",
        "/v1/referral/valid",
        "is_referral_valid",
        Auth.OPTIONAL,
        is_referral_valid,
        summary="Whether a referral code can be used now.",
        limits=("guesses-minute", "guesses-day", "guesses-person"),
        query=CodeQuery,
        example={"referral_code": "00000-00000"},
        response=ReferralValidity,
        problems=(400,),
    ),
    legacy_route(
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
        response=RevocationView,
    ),
    *REFERRAL_ROUTES,
    *INVITE_ROUTES,
    *CLUSTER_ROUTES,
)

ROUTES: tuple[Route[Any], ...] = (*accounts.ROUTES, *operations.ROUTES, *LEGACY)
"""Every route, for the API description and CORS; needs no dependencies."""


def bind(dependencies: Dependencies) -> Iterator[BoundRoute]:
    """Assemble each feature with the dependencies it uses, and bind its routes to it."""
    yield from bound(
        accounts.ROUTES,
        accounts.Accounts(
            commands=dependencies.commands,
            referrals=dependencies.referrals,
            own=dependencies.own,
            streams=dependencies.streams,
            addresses=dependencies.addresses,
        ),
    )
    yield from bound(operations.ROUTES, operations.Operations(dependencies.commands))
    yield from bound(LEGACY, dependencies)
