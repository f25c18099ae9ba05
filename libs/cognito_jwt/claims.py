"""Read the claims of a verified Amazon Cognito token, and check each of them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cognito_jwt.jws import InvalidToken

TokenUse = Literal["id", "access"]

SKEW_SECONDS: Final = 60
"""How far the issuer's clock may be ahead of this one; `exp` is checked without tolerance."""
_LATEST = 2**53
_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", re.ASCII)
"""Safe as a part of keys, stream names and log lines."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Describe a trusted user pool, its app clients, and what grants the two special roles."""

    issuer: str
    """The claim `iss`: `https://cognito-idp.<region>.amazonaws.com/<pool id>`."""
    client_ids: frozenset[str]
    """App clients that people sign in with."""
    service_client_ids: frozenset[str] = frozenset()
    """App clients with a secret that request tokens for themselves (client-credentials grant)."""
    service_scope: str | None = None
    """OAuth scope that makes a token of a service client a service token; None: no scope does."""
    service_group: str = "service"
    """Cognito group whose members are services."""
    admin_group: str = "admin"
    """Cognito group whose members are administrators."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Describe who a verified token was issued to."""

    subject: str
    """The claim `sub`: 1 to 100 characters out of letters, digits and `_.:-`."""
    client_id: str
    use: TokenUse
    expires_at: int
    """UNIX seconds."""
    issued_at: int
    """UNIX seconds."""
    auth_time: int
    """UNIX seconds of the sign-in; `issued_at` if the token does not have the claim."""
    email: str | None = None
    """From ID tokens, and only if Cognito has verified the address."""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    is_machine: bool = False
    """The token was issued to a service client itself, not to a person."""
    is_service: bool = False
    """An access token with the pool's service group, or a machine's with its service scope."""
    is_admin: bool = False
    """An access token with the pool's admin group."""
    jti: str | None = None
    """Id of this token."""
    origin_jti: str | None = None
    """Id shared by all tokens of one sign-in."""
    subject_digest: str = field(default="", compare=False)
    """The first 12 hex digits of the subject's SHA-256, for logs."""


def read_claims(claims: Mapping[str, Any], pool: Pool, now: float) -> Caller:
    """Return the caller that these verified claims describe.

    Args:
        claims: The payload of a token whose signature has been verified.
        pool: The user pool that issued it.
        now: UNIX seconds.

    Raises:
        InvalidToken: A claim is missing or has the wrong type, the token has expired or is not
            valid yet, or it was issued by another pool or for another client.
    """
    if claims.get("iss") != pool.issuer:
        raise InvalidToken("the token is from another issuer")
    use = _use(claims)
    client_id = _text(claims, "client_id" if use == "access" else "aud")
    is_machine = use == "access" and client_id in pool.service_client_ids
    if not is_machine and client_id not in pool.client_ids:
        raise InvalidToken("the token is for another client")
    expires_at, issued_at = _times(claims, now)
    subject, groups, scopes = _subject(claims), _groups(claims), _scopes(claims)
    has_service_scope = is_machine and pool.service_scope in scopes
    return Caller(
        subject=subject,
        client_id=client_id,
        use=use,
        expires_at=expires_at,
        issued_at=issued_at,
        auth_time=_auth_time(claims, issued_at, now),
        email=_verified_email(claims) if use == "id" else None,
        groups=groups,
        scopes=scopes,
        is_machine=is_machine,
        is_service=use == "access" and (pool.service_group in groups or has_service_scope),
        is_admin=use == "access" and pool.admin_group in groups,
        jti=_optional_text(claims, "jti"),
        origin_jti=_optional_text(claims, "origin_jti"),
        subject_digest=hashlib.sha256(subject.encode()).hexdigest()[:12],
    )


def _use(claims: Mapping[str, Any]) -> TokenUse:
    match claims.get("token_use"):
        case "id":
            return "id"
        case "access":
            return "access"
        case _:
            raise InvalidToken("the token is neither an ID token nor an access token")


def _times(claims: Mapping[str, Any], now: float) -> tuple[int, int]:
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    if expires_at <= now:
        raise InvalidToken("the token has expired")
    if issued_at > now + SKEW_SECONDS:
        raise InvalidToken("the token is from the future")
    if "nbf" in claims and _time(claims, "nbf") > now + SKEW_SECONDS:
        raise InvalidToken("the token is not valid yet")
    return expires_at, issued_at


def _auth_time(claims: Mapping[str, Any], issued_at: int, now: float) -> int:
    """Return the time of the sign-in; one in the future would outlive revocations of its user."""
    auth_time = _time(claims, "auth_time") if "auth_time" in claims else issued_at
    if auth_time > now + SKEW_SECONDS:
        raise InvalidToken("the token's auth_time is in the future")
    return auth_time


def _time(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 < value < _LATEST:  # True is an int too, but not a time
        raise InvalidToken(f"the token's {name} is not a time")
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidToken(f"the token's {name} is not a text")
    return value


def _optional_text(claims: Mapping[str, Any], name: str) -> str | None:
    return _text(claims, name) if name in claims else None


def _subject(claims: Mapping[str, Any]) -> str:
    subject = _text(claims, "sub")
    if _SUBJECT.fullmatch(subject) is None:
        raise InvalidToken("the token's subject is not a plain identifier")
    return subject


def _groups(claims: Mapping[str, Any]) -> frozenset[str]:
    groups = claims.get("cognito:groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise InvalidToken("the token's groups are not a list of texts")
    return frozenset(groups)


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    scope = claims.get("scope", "")  # Cognito writes an empty text for a client without scopes
    if not isinstance(scope, str):
        raise InvalidToken("the token's scope is not a text")
    return frozenset(scope.split())


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email = _optional_text(claims, "email")
    # Cognito writes a boolean; some identity providers and emulators write a string
    verified = claims.get("email_verified")
    return email if verified is True or verified == "true" else None
