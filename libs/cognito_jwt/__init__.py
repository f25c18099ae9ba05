"""Verify tokens of Amazon Cognito: signatures, keys, claims and revocations."""

from cognito_jwt.cache import TokenCache
from cognito_jwt.claims import Caller, Pool, TokenUse, read_claims
from cognito_jwt.jws import InvalidToken, UnknownKey, verify_jws
from cognito_jwt.keys import KeySet, KeysUnavailable, jwks_fetcher
from cognito_jwt.nesting import is_nested_deeper
from cognito_jwt.revocations import Revocation, RevocationList
from cognito_jwt.verifier import Verifier

__all__ = [
    "Caller",
    "InvalidToken",
    "KeySet",
    "KeysUnavailable",
    "Pool",
    "Revocation",
    "RevocationList",
    "TokenCache",
    "TokenUse",
    "UnknownKey",
    "Verifier",
    "is_nested_deeper",
    "jwks_fetcher",
    "read_claims",
    "verify_jws",
]
