"""Who is calling: signatures, keys and Cognito's claims; usable without the rest of the gateway."""

from gateway.auth.cache import TokenCache
from gateway.auth.claims import Caller, Pool, TokenUse, read_claims
from gateway.auth.jws import InvalidToken, UnknownKey, verify_jws
from gateway.auth.keys import KeySet, KeysUnavailable, fetch_from
from gateway.auth.revocations import Revocation, Revocations
from gateway.auth.verifier import Verifier

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
