"""Who is calling: signatures, keys and Cognito's claims; usable without the rest of the gateway."""

from cognito_jwt.cache import TokenCache
from cognito_jwt.claims import Caller, Pool, TokenUse, read_claims
from cognito_jwt.jws import InvalidToken, UnknownKey, verify_jws
from cognito_jwt.keys import KeySet, KeysUnavailable, fetch_from
from cognito_jwt.revocations import Revocation, Revocations
from cognito_jwt.verifier import Verifier

__all__ = [
    "Caller",
    "InvalidToken",
    "KeySet",
    "KeysUnavailable",
    "Pool",
    "Revocation",
    "Revocations",
    "TokenCache",
    "TokenUse",
    "UnknownKey",
    "Verifier",
    "fetch_from",
    "read_claims",
    "verify_jws",
]
